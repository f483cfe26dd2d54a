import CEvent

/// A request and the answer to it. Exactly one of `reply` and `begin`…`end` makes the answer; both do nothing once the client has left.
/// Touched by the loop's thread alone.
final class Exchange {
  let head: RequestHead
  let body: [UInt8]
  /// When the request had come in.
  let start = Clock.now
  /// Headers for whatever answer is made.
  var headers: [(name: String, value: String)] = []
  /// The client left before it had the whole answer.
  var onLost: () -> Void = {}
  /// The client has taken all there was.
  var onDrained: () -> Void = {}
  /// An answer with this status was begun.
  var onStatus: (Int) -> Void = { _ in }

  /// Sent, or lost: nothing more happens.
  var onOver: () -> Void = {}

  private var request: OpaquePointer?
  private unowned let connection: Connection
  private var isEnded = false
  /// What keeps this alive until evhttp has sent the last byte.
  private var hold: Unmanaged<Exchange>?

  init(_ request: OpaquePointer, _ head: RequestHead, on connection: Connection) {
    self.request = request
    self.head = head
    self.connection = connection
    let input = evhttp_request_get_input_buffer(request)!
    let length = evbuffer_get_length(input)
    body = [UInt8](unsafeUninitializedCapacity: length) { bytes, count in
      count = max(0, Int(evbuffer_remove(input, bytes.baseAddress, length)))
    }
    hold = Unmanaged.passRetained(self)
    evhttp_request_set_on_complete_cb(
      request, { _, own in Unmanaged<Exchange>.fromOpaque(own!).takeUnretainedValue().completed() }, hold!.toOpaque())
    connection.exchange = self
    connection.watchForClose()
  }

  /// Whether an answer can still be made.
  var isOpen: Bool { request != nil && !isEnded }

  /// Bytes that the client has not taken.
  var pending: Int { request == nil ? 0 : connection.pending }

  func reply(_ reply: Reply) {
    guard isOpen, let request else { return }
    prepare(status: reply.status, type: reply.type, headers: reply.headers)
    isEnded = true
    let content = evbuffer_new()
    defer { evbuffer_free(content) }
    if head.method == .head {
      add("Content-Length", "\(reply.body.count)")
    } else {
      evbuffer_add(content, reply.body, reply.body.count)
    }
    evhttp_send_reply(request, Int32(reply.status), Status.phrase(reply.status), content)
    // It has all it wants to know of the client, who may have closed its half of the connection behind the request.
    bufferevent_disable(connection.bufferevent, Int16(EV_READ))
  }

  /// Begins an answer that comes in pieces.
  func begin(type: String) {
    guard isOpen, let request else { return }
    prepare(status: 200, type: type, headers: [("X-Accel-Buffering", "no")])
    evhttp_send_reply_start(request, 200, Status.phrase(200))
  }

  func send(_ bytes: [UInt8]) {
    guard isOpen, let request, !bytes.isEmpty else { return }
    let content = evbuffer_new()
    defer { evbuffer_free(content) }
    evbuffer_add(content, bytes, bytes.count)
    evhttp_send_reply_chunk_with_cb(
      request, content, { _, own in Unmanaged<Exchange>.fromOpaque(own!).takeUnretainedValue().onDrained() },
      Unmanaged.passUnretained(self).toOpaque())
  }

  func end() {
    guard isOpen, let request else { return }
    isEnded = true
    evhttp_send_reply_end(request)
  }

  private func prepare(status: Int, type: String, headers: [(name: String, value: String)]) {
    // evhttp would keep a connection of HTTP/1.0 open behind an answer without a length.
    if !head.isModern { evhttp_remove_header(evhttp_request_get_input_headers(request), "Connection") }
    if head.closes { add("Connection", "close") }
    add("Content-Type", type)
    for header in Reply.manners + headers + self.headers { add(header.name, header.value) }
    onStatus(status)
  }

  private func add(_ name: String, _ value: String) { evhttp_add_header(evhttp_request_get_output_headers(request), name, value) }

  /// evhttp has sent everything, and frees the request.
  private func completed() {
    request = nil
    connection.answered()
    release()
  }

  /// The connection is going. evhttp frees the requests that belong to it; one whose client left while it waited belongs to nobody any more.
  func lost() {
    guard let request else { return }
    self.request = nil
    evhttp_request_set_on_complete_cb(request, nil, nil)
    if evhttp_request_get_connection(request) == nil { evhttp_request_free(request) }
    let wasEnded = isEnded
    isEnded = true
    if !wasEnded { onLost() }
    release()
  }

  private func release() {
    let over = onOver
    (onLost, onDrained, onStatus, onOver) = ({}, {}, { _ in }, {})
    over()
    hold?.release()
    hold = nil
  }
}

import CEvent
import Glibc

/// A client's connection, watched beside evhttp: every byte passes `HeadReader` before evhttp reads it, clients that take too long are told so,
/// and it is known at any time who is there. Touched by the loop's thread alone.
final class Connection {
  enum Phase: Equatable {
    /// Between requests.
    case idle
    case head
    case body(left: Int)
    /// A request has come in whole; what follows it waits.
    case answering
    /// Answered without evhttp: what still comes is thrown away, so that the client can read the answer before the connection goes.
    case refused
    /// The last answer has been sent.
    case closing
  }

  let bufferevent: OpaquePointer
  /// evhttp's own view of this connection; nil for a moment, until it has one.
  private(set) var evhttp: OpaquePointer?
  private(set) var phase = Phase.idle { didSet { if phase != oldValue { since = Clock.now } } }
  /// When the phase, or in it the last progress, began.
  private(set) var since = Clock.now
  /// Of the request that has come in.
  private(set) var head: RequestHead?
  weak var exchange: Exchange?

  private let limits: RequestLimits
  private var reader: HeadReader
  private var discarded = 0
  /// Bytes of the body, as long as it or its answer is here.
  private var held = 0
  private unowned let owner: HTTPServer

  /// More than this is not read while an answer is being made: the client may send its next request early, not fill our memory.
  private static let mostAhead = 64 << 10
  /// Bytes and seconds for which a refused client is listened to.
  private static let mostDiscarded = 256 << 20
  private static let lingerSeconds = 10.0

  init(_ bufferevent: OpaquePointer, owner: HTTPServer) {
    self.bufferevent = bufferevent
    self.owner = owner
    limits = owner.limits
    reader = HeadReader(limits)
    let own = Unmanaged.passUnretained(self).toOpaque()
    evbuffer_add_cb(
      bufferevent_get_input(bufferevent),
      { _, change, own in
        if let change, change.pointee.n_added > 0 { Connection.from(own).received(change.pointee.n_added) }
      }, own)
    evbuffer_add_cb(
      bufferevent_get_output(bufferevent),
      { _, change, own in
        if let change, change.pointee.n_deleted > 0 { Connection.from(own).since = Clock.now }
      }, own)
  }

  static func from(_ pointer: UnsafeMutableRawPointer?) -> Connection { Unmanaged<Connection>.fromOpaque(pointer!).takeUnretainedValue() }

  /// evhttp makes the bufferevent's callbacks its own right after it was made; their argument is its connection, which says when it goes.
  func adopt() {
    var argument: UnsafeMutableRawPointer?
    bufferevent_getcb(bufferevent, nil, nil, nil, &argument)
    guard let argument else { return }
    evhttp = OpaquePointer(argument)
    evhttp_connection_set_closecb(
      evhttp, { _, own in Connection.from(own).closed() }, Unmanaged.passUnretained(self).toOpaque())
    // An answer is many small pieces: none waits for the next. What a slow reader has not taken stays here, where it is seen.
    var (one, room) = (Int32(1), Int32(128 << 10))
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &room, socklen_t(MemoryLayout<Int32>.size))
  }

  private var descriptor: Int32 { bufferevent_getfd(bufferevent) }

  private func letGo() {
    owner.heldBytes -= held
    held = 0
  }

  private func closed() {
    letGo()
    exchange?.lost()
    owner.remove(self)
  }

  /// Ends the connection, with whatever answer is being made. Not from inside a callback of libevent's.
  func cut() { if let evhttp { evhttp_connection_free(evhttp) } }

  // MARK: What comes in

  private func received(_ count: Int) {
    let input = bufferevent_get_input(bufferevent)!
    let length = evbuffer_get_length(input)
    switch phase {
    case .refused: discard(input)
    case .answering: if length > Self.mostAhead { bufferevent_disable(bufferevent, Int16(EV_READ)) }
    case .closing: break
    case .idle, .head, .body: scan(input, from: length - count, to: length)
    }
  }

  private func scan(_ input: OpaquePointer, from start: Int, to end: Int) {
    var at = start
    while at < end {
      switch phase {
      case .idle, .head:
        if phase == .idle { phase = .head }
        do throws(Refusal) {
          let (count, head) = try reader.read(Self.bytes(of: input, at..<end))
          at += count
          if let head { try begin(head) }
        } catch {
          return owner.refuse(self, error)
        }
      case .body(let left):
        let taken = min(left, end - at)
        at += taken
        let since = since
        phase = left == taken ? .answering : .body(left: left - taken)
        if left > taken { self.since = since }
      case .answering, .refused, .closing: return
      }
    }
  }

  private func begin(_ head: RequestHead) throws(Refusal) {
    guard owner.heldBytes + head.bodyLength <= limits.allBodyBytes else {
      throw Refusal(
        status: 503, message: "the server holds all the requests it can", headers: [.init(name: "Retry-After", value: "1")])
    }
    held = head.bodyLength
    owner.heldBytes += held
    self.head = head
    phase = head.bodyLength > 0 ? .body(left: head.bodyLength) : .answering
  }

  /// A copy: the buffer's memory is in pieces.
  private static func bytes(of buffer: OpaquePointer, _ range: Range<Int>) -> [UInt8] {
    var place = evbuffer_ptr()
    evbuffer_ptr_set(buffer, &place, range.lowerBound, EVBUFFER_PTR_SET)
    return [UInt8](unsafeUninitializedCapacity: range.count) { bytes, count in
      count = max(0, evbuffer_copyout_from(buffer, &place, bytes.baseAddress, range.count))
    }
  }

  private func discard(_ input: OpaquePointer) {
    discarded += evbuffer_get_length(input)
    evbuffer_drain(input, evbuffer_get_length(input))
  }

  /// Sends an answer behind evhttp's back, which has not seen a whole request and has nothing to send itself.
  func refuse(with reply: Reply) {
    phase = .refused
    let bytes = reply.closingBytes
    // It is the first to be sent for long: it fits the socket's buffer, and if it does not, the client had its chance.
    _ = send(descriptor, bytes, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
    shutdown(descriptor, Int32(SHUT_WR))
    discard(bufferevent_get_input(bufferevent))
  }

  // MARK: What goes out

  /// Bytes that the client has not taken.
  var pending: Int { evbuffer_get_length(bufferevent_get_output(bufferevent)) }

  /// From now on a client that leaves is noticed. evhttp would end the process if it were handed bytes before it has answered: it is not.
  func watchForClose() {
    var write: bufferevent_data_cb?
    var event: bufferevent_event_cb?
    var argument: UnsafeMutableRawPointer?
    bufferevent_getcb(bufferevent, nil, &write, &event, &argument)
    bufferevent_setcb(bufferevent, nil, write, event, argument)
    bufferevent_enable(bufferevent, Int16(EV_READ))
  }

  /// The answer has been sent. If the connection goes on, what came meanwhile is the beginning of the next request.
  func answered() {
    letGo()
    exchange = nil
    guard head?.closes == false else { return phase = .closing }
    (head, reader, phase) = (nil, HeadReader(limits), .idle)
    let input = bufferevent_get_input(bufferevent)!
    scan(input, from: 0, to: evbuffer_get_length(input))
  }

  // MARK: Time

  enum Lateness { case none, silent, refusal(Refusal) }

  /// Asked from time to time.
  func lateness(at now: Double) -> Lateness {
    let seconds = now - since
    switch phase {
    case .idle: return seconds > limits.idleSeconds ? .silent : .none
    case .head:
      return seconds > limits.headSeconds
        ? .refusal(Refusal(status: 408, message: "the request's headers took longer than \(Int(limits.headSeconds)) seconds")) : .none
    case .body:
      return seconds > limits.bodySeconds
        ? .refusal(Refusal(status: 408, message: "the request's body took longer than \(Int(limits.bodySeconds)) seconds")) : .none
    case .answering:
      // Who has taken all there was is not late.
      if pending == 0 { since = now }
      return pending > 0 && seconds > limits.stallSeconds ? .silent : .none
    case .refused: return seconds > Self.lingerSeconds || discarded > Self.mostDiscarded ? .silent : .none
    case .closing: return seconds > 1 && pending == 0 ? .silent : .none
    }
  }
}

import CEvent
import Glibc
import JSON

/// libevent's loop with evhttp on it: connections, their limits, and the way into and out of the loop. Everything here runs on the thread that
/// calls `run`; other threads ring `alarm`.
final class HTTPServer {
  let limits: RequestLimits
  /// A request has come in whole.
  var onRequest: (Exchange) -> Void = { _ in }
  /// A request was refused before it had come in whole, with this status.
  var onRefusal: (Int) -> Void = { _ in }
  /// About once a second.
  var onTick: () -> Void = {}
  var onSignal: (Int32) -> Void = { _ in }
  var onAlarm: () -> Void = {}

  /// Bytes of all bodies that are here.
  var heldBytes = 0

  private let base: OpaquePointer
  private var evhttp: OpaquePointer?
  private var listener: OpaquePointer?
  private var socket: OpaquePointer?
  private var events: [OpaquePointer] = []
  /// Rings when there are newcomers, and when another thread has something for the loop.
  private var adoption: LoopAlarm!
  private(set) var alarm: LoopAlarm!
  private var connections: [ObjectIdentifier: Connection] = [:]
  private var newcomers: [Connection] = []

  init(_ limits: RequestLimits) throws(ServingError) {
    signal(SIGPIPE, SIG_IGN)
    evthread_use_pthreads()
    event_set_log_callback { _, _ in }
    guard let base = event_base_new() else { throw ServingError("cannot make an event loop: out of memory or file descriptors") }
    guard let evhttp = evhttp_new(base) else { throw ServingError("cannot make a server: out of memory") }
    (self.limits, self.base, self.evhttp) = (limits, base, evhttp)
    // Behind `HeadReader`, which is stricter, these are never reached.
    evhttp_set_max_headers_size(evhttp, 2 * limits.headBytes)
    evhttp_set_max_body_size(evhttp, limits.bodyBytes)
    let methods = [EVHTTP_REQ_GET, EVHTTP_REQ_HEAD, EVHTTP_REQ_POST, EVHTTP_REQ_OPTIONS]
    evhttp_set_allowed_methods(evhttp, UInt16(methods.reduce(0) { $0 | $1.rawValue }))
    let own = Unmanaged.passUnretained(self).toOpaque()
    evhttp_set_bevcb(evhttp, { _, own in HTTPServer.from(own).connect() }, own)
    evhttp_set_gencb(evhttp, { request, own in HTTPServer.from(own).received(request!) }, own)
    adoption = LoopAlarm(base, { _, _, own in HTTPServer.from(own).adoptNewcomers() }, own)
    alarm = LoopAlarm(base, { _, _, own in HTTPServer.from(own).onAlarm() }, own)
    var second = timeval(tv_sec: 0, tv_usec: 500_000)
    let tick = event_new(base, -1, Int16(EV_PERSIST), { _, _, own in HTTPServer.from(own).tick() }, own)!
    event_add(tick, &second)
    events = [tick]
  }

  deinit {
    close()
    adoption.silence()
    alarm.silence()
    for event in events { event_free(event) }
    event_base_free(base)
  }

  private static func from(_ pointer: UnsafeMutableRawPointer?) -> HTTPServer {
    Unmanaged<HTTPServer>.fromOpaque(pointer!).takeUnretainedValue()
  }

  /// - Parameter port: 0 for any that is free.
  /// - Returns: the port.
  func listen(host: String, port: Int) throws(ServingError) -> Int {
    errno = 0
    guard let socket = evhttp_bind_socket_with_handle(evhttp, host, UInt16(port)) else {
      let reason = errno
      let words = reason == 0 ? "it is no address of this machine" : String(cString: strerror(reason)).lowercased()
      throw ServingError("cannot listen on \(host), port \(port): \(words)\(reason == EADDRINUSE ? "; --port takes another" : "")")
    }
    self.socket = socket
    listener = evhttp_bound_socket_get_listener(socket)
    evconnlistener_set_error_cb(listener) { listener, _ in
      // No descriptor is left: libevent would ask again at once, and without end.
      evconnlistener_disable(listener)
    }
    var address = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let descriptor = evhttp_bound_socket_get_fd(socket)
    withUnsafeMutablePointer(to: &address) {
      _ = $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { Int(UInt16(bigEndian: $0.pointee.sin_port)) }
    }
  }

  /// Runs until `leave`; then every connection that is left is cut.
  func run() {
    event_base_dispatch(base)
    close()
  }

  private func close() {
    if let evhttp { evhttp_free(evhttp) }
    (evhttp, socket, listener) = (nil, nil, nil)
  }

  /// Ends `run` once what is being done is done.
  func leave() { event_base_loopexit(base, nil) }

  /// Tells of Ctrl-C and SIGTERM by `onSignal` instead of ending the process. A Ctrl-C that the shell has us ignore stays ignored.
  func watchSignals() {
    for number in [SIGINT, SIGTERM] {
      var before = sigaction()
      sigaction(number, nil, &before)
      if unsafeBitCast(before.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) { continue }
      let event = event_new(
        base, number, Int16(EV_SIGNAL | EV_PERSIST), { number, _, own in HTTPServer.from(own).onSignal(number) },
        Unmanaged.passUnretained(self).toOpaque())!
      event_add(event, nil)
      events.append(event)
    }
  }

  /// Takes no more connections, and ends those that wait for a request.
  func stopListening() {
    if let evhttp, let socket { evhttp_del_accept_socket(evhttp, socket) }
    (socket, listener) = (nil, nil)
    for connection in Array(connections.values) where connection.phase == .idle { connection.cut() }
  }

  var connectionCount: Int { connections.count }

  // MARK: Connections

  private func connect() -> OpaquePointer? {
    guard let bufferevent = bufferevent_socket_new(base, -1, Int32(BEV_OPT_CLOSE_ON_FREE.rawValue)) else { return nil }
    let connection = Connection(bufferevent, owner: self)
    connections[ObjectIdentifier(connection)] = connection
    newcomers.append(connection)
    adoption.ring()
    if connections.count >= limits.connections { evconnlistener_disable(listener) }
    return bufferevent
  }

  private func adoptNewcomers() {
    for connection in newcomers { connection.adopt() }
    newcomers = []
  }

  func remove(_ connection: Connection) {
    connections[ObjectIdentifier(connection)] = nil
    if let listener, connections.count < limits.connections { evconnlistener_enable(listener) }
  }

  private func received(_ request: OpaquePointer) {
    let own = evhttp_request_get_connection(request)
    guard let connection = connections.values.first(where: { $0.evhttp == own }), let head = connection.head, connection.phase == .answering
    else { return evhttp_send_error(request, 400, nil) }
    onRequest(Exchange(request, head, on: connection))
  }

  func refuse(_ connection: Connection, _ refusal: Refusal) {
    onRefusal(refusal.status)
    var reply = APIError(status: refusal.status, message: refusal.message).reply
    reply.headers += refusal.headers.map { ($0.name, $0.value) }
    connection.refuse(with: reply)
  }

  private func tick() {
    let now = Clock.now
    for connection in Array(connections.values) {
      switch connection.lateness(at: now) {
      case .none: break
      case .silent: connection.cut()
      case .refusal(let refusal): refuse(connection, refusal)
      }
    }
    if let listener, connections.count < limits.connections { evconnlistener_enable(listener) }
    onTick()
  }
}

/// Why a server cannot be.
public struct ServingError: Error, Sendable, Equatable, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}

/// What the outside world can do wrong to a computation. Shape mistakes are ours and trap instead.
public enum BackendError: Error, Sendable, Equatable, CustomStringConvertible {
  case unavailable(reason: String)
  case outOfMemory(requested: Int, free: Int)
  case device(code: Int32, call: String)

  public var description: String {
    switch self {
    case .unavailable(let reason): reason
    case .outOfMemory(let requested, let free):
      "out of memory: needs \(requested >> 20) MiB, \(free >> 20) MiB are free; lower --memory or use a smaller model type (--q8, --q4k)"
    case .device(let code, let call): "\(call) failed with code \(code)"
    }
  }
}

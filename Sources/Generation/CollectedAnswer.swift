import Synchronization

/// Gathers what a request hears, for callers who look between steps.
public final class CollectedAnswer: Sendable {
  private struct State {
    var text = ""
    var fresh = ""
    var tokens: [GeneratedToken] = []
    var end: (reason: FinishReason, usage: Usage)?
  }
  private let state = Mutex(State())

  public init() {}

  /// For `GenerationEngine.submit`.
  public var deliver: @Sendable (GenerationEvent) -> Void {
    { [self] event in
      state.withLock { state in
        switch event {
        case .text(let text, let tokens):
          state.text += text
          state.fresh += text
          state.tokens += tokens
        case .finished(let reason, let usage): state.end = (reason, usage)
        }
      }
    }
  }

  /// Text that has come since the last call.
  public func takeText() -> String {
    state.withLock { state in
      defer { state.fresh = "" }
      return state.fresh
    }
  }

  public var text: String { state.withLock { $0.text } }
  public var tokens: [GeneratedToken] { state.withLock { $0.tokens } }
  /// nil while it is being written.
  public var end: (reason: FinishReason, usage: Usage)? { state.withLock { $0.end } }
}

import CPCRE2
import Synchronization

/// Everything one `encode` writes to: merge buffers, the cache of words already encoded, and PCRE2's match state.
///
/// Unchecked: a workspace is handed to one call at a time by `WorkspacePool`, which takes it back when the call ends.
final class Workspace: @unchecked Sendable {
  var merging = MergeBuffers()
  var cache = WordCache()
  var scratch: [UInt8] = []
  let matching = MatchState()
}

/// Workspaces not in use. A cache that survives the call matters: evaluation encodes thousands of short texts with the same words.
final class WorkspacePool: Sendable {
  private static let mostIdle = 64
  private let idle = Mutex<[Workspace]>([])

  func withWorkspace<Result>(_ body: (Workspace) -> Result) -> Result {
    let workspace = idle.withLock { $0.popLast() } ?? Workspace()
    defer { idle.withLock { if $0.count < Self.mostIdle { $0.append(workspace) } } }
    return body(workspace)
  }
}

/// PCRE2's match block, its limits and its machine stack.
final class MatchState {
  /// PCRE2's own defaults are 10 million steps and 20 MB; said here so that a distribution's choice does not change them.
  private static let mostSteps: UInt32 = 10_000_000
  private static let mostHeapKiB: UInt32 = 20_000

  let data: OpaquePointer?
  let context: OpaquePointer?
  private let stack: OpaquePointer?

  init() {
    data = pcre2_match_data_create_8(1, nil)
    context = pcre2_match_context_create_8(nil)
    stack = pcre2_jit_stack_create_8(32 << 10, 1 << 20, nil)
    if let context {
      pcre2_set_match_limit_8(context, Self.mostSteps)
      pcre2_set_heap_limit_8(context, Self.mostHeapKiB)
      if let stack { pcre2_jit_stack_assign_8(context, nil, UnsafeMutableRawPointer(stack)) }
    }
  }

  deinit {
    pcre2_match_data_free_8(data)
    pcre2_match_context_free_8(context)
    pcre2_jit_stack_free_8(stack)
  }
}

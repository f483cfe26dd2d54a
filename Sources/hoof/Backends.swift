import BackendCPU
import BackendCUDA
import TensorCore
import Terminal

/// What this program can compute with, best first.
let registry = BackendRegistry([
  .init(name: "cuda", open: CUDABackend.open),
  .init(name: "cpu", open: CPUBackend.open),
])

extension CommandOption {
  static let backend = CommandOption.backend(registry.names)
}

/// The backend that `--backend` and `--threads` ask for. Says once which one it is, and why a better one was refused.
func openBackend(_ arguments: Arguments) throws(CommandError) -> any ComputeBackend {
  let asked = arguments.string("backend") ?? "auto"
  do throws(BackendError) {
    let selection = try registry.open(asked, options: .init(threads: arguments.int("threads")))
    if !arguments.has("quiet") {
      let refused = selection.refusals.map { " (not \($0.name): \($0.reason))" }.joined()
      Output.note("hoof: computing on \(selection.backend.name)\(refused)")
    }
    return selection.backend
  } catch {
    throw CommandError("cannot open the backend '\(asked)': \(error)", advice: "'hoof backends' lists what opens here")
  }
}

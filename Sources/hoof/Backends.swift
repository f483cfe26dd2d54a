import BackendCPU
import BackendCUDA
import Formats
import TensorCore
import Terminal

/// What this program can compute with, best first.
let registry = BackendRegistry([
  .init(name: "cuda", devices: CUDABackend.deviceCount, open: CUDABackend.open),
  .init(name: "cpu", open: openCPU),
])

/// The CPU computes in f32; bf16 shows what a GPU's rounding does to the numbers.
private func openCPU(_ options: BackendRegistry.Options) throws(BackendError) -> any ComputeBackend {
  switch options.precision {
  case nil, .f32: return try CPUBackend.open(options)
  case .bf16: return MixedPrecisionBackend(try CPUBackend.open(options))
  case .tf32: throw .unavailable(reason: "tf32 is a rounding inside a GPU's matrix units: the CPU computes in f32 or bf16")
  }
}

extension CommandOption {
  static let backend = CommandOption.backend(registry.names)
  static let precision = CommandOption.precision(Precision.allCases.map(\.rawValue))
  static let vendorBLAS = CommandOption.vendorBLAS(VendorBLAS.allCases.map(\.rawValue))
  /// How a command computes, beside --backend.
  static let computing: [CommandOption] = [.device, .precision, .vendorBLAS, .threads]
}

extension BackendRegistry.Options {
  /// What the `computing` options say.
  init(_ arguments: Arguments) {
    self.init(
      threads: arguments.int("threads"), device: arguments.int("device"),
      precision: arguments.string("precision").flatMap(Precision.init),
      // cuBLAS is taken where a first run's clock says so, and two runs may find otherwise; our own kernels always add in one order.
      vendorBLAS: arguments.offers("deterministic") && arguments.has("deterministic")
        ? .off : arguments.string("cublas").flatMap(VendorBLAS.init) ?? .auto
    )
  }
}

/// The backend that the arguments ask for, with room for `model`. Says once which one it is, and why a better one was refused.
/// With --profile, where the command has it, it is a `ProfilingBackend`.
/// - Parameter needed: what `model` takes there, if it is not just read: bytes of all weights and of whatever comes with them.
func openBackend(
  _ arguments: Arguments, for model: ModelSource, needed: ((any ComputeBackend) -> Int)? = nil
) throws -> any ComputeBackend {
  var asked = arguments.string("backend") ?? "auto"
  if arguments.has("device") {
    guard ["auto", "cuda"].contains(asked) else {
      throw UsageError(command: arguments.command, "--device chooses among GPUs, and the backend asked for is '\(asked)'")
    }
    asked = "cuda"
  }
  do throws(BackendError) {
    let selection = try registry.open(
      asked, options: .init(arguments),
      unless: { backend in
        let fit = needed.map { ModelFit(model, on: backend, without: Set(model.tensors.keys), beside: $0(backend)) }
        return (fit ?? ModelFit(model, on: backend)).objection
      })
    if !arguments.has("quiet") {
      let refused = selection.refusals.map { " (not \($0.name): \($0.reason))" }.joined()
      Output.note("hoof: computing on \(selection.backend.name)\(refused)")
    }
    return arguments.offers("profile") && arguments.has("profile") ? ProfilingBackend(selection.backend) : selection.backend
  } catch {
    throw CommandError("cannot open the backend '\(asked)': \(error)", advice: "'hoof backends' lists what opens here")
  }
}

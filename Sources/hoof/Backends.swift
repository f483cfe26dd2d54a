import BackendCPU
import BackendCUDA
import Formats
import TensorCore
import Terminal

/// What this program can compute with, best first.
let registry = BackendRegistry([
  .init(name: "cuda", devices: CUDABackend.deviceCount, open: CUDABackend.open),
  .init(name: "cpu", open: CPUBackend.open),
])

extension CommandOption {
  static let backend = CommandOption.backend(registry.names)
  private static let precisions = Precision.allCases.map(\.rawValue)
  static let precision = CommandOption.precision(precisions.filter { $0 != Precision.int16.rawValue })
  static let vendorBLAS = CommandOption.vendorBLAS(VendorBLAS.allCases.map(\.rawValue))
  /// How a command computes, beside --backend.
  static let computing: [CommandOption] = [.device, .precision, .vendorBLAS, .threads]
  /// The same where nothing is measured but speed: with the precision that no study, loss or training is computed in.
  static let computingAnyhow: [CommandOption] = [.device, .precision(precisions), .vendorBLAS, .threads]
  /// The same for commands that write text, which take that precision by default.
  static let writing: [CommandOption] = [.device, .precision(precisions, onCPU: "int16"), .vendorBLAS, .threads]
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
/// - Parameters:
///   - writesText: whether the precision, if it is not asked for, may be one that only text is written in.
///   - needed: what `model` takes there, if it is not just read: bytes of all weights and of whatever comes with them.
func openBackend(
  _ arguments: Arguments, for model: ModelSource, writesText: Bool = false, needed: ((any ComputeBackend) -> Int)? = nil
) throws -> any ComputeBackend {
  var asked = arguments.string("backend") ?? "auto"
  if arguments.has("device") {
    guard ["auto", "cuda"].contains(asked) else {
      throw UsageError(command: arguments.command, "--device chooses among GPUs, and the backend asked for is '\(asked)'")
    }
    asked = "cuda"
  }
  do throws(BackendError) {
    var options = BackendRegistry.Options(arguments)
    options.writesText = writesText
    let selection = try registry.open(
      asked, options: options,
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

import Formats
import JSON
import TensorCore
import Transformer

extension CutPlan {
  /// The plan of the new model, with whatever of it has to be computed from the whole one.
  /// - Parameters:
  ///   - base: `source` on a backend. Only a cut of the width needs it, and `prompts` to turn the stream by.
  ///   - matrixType: what matrices are stored as; nil for as they are.
  ///   - details: more for the file's history.
  ///   - monitor: what a cut of the width has done, places of the stream done and in all; what it throws stops the work.
  public func model(
    of source: ModelSource, base: Llama?, matrixType: DType? = nil, method: String, details: JSON.Object = [:], prompts: [[Int32]]? = nil,
    monitor: (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws -> ModelImport {
    var cut = cut(of: source.config, method: method, details: details)
    guard let width else { return try ModelImport(source, matrixType: matrixType, cut: cut) }
    guard let base, let prompts else { preconditionFailure("cut: a width without the model and texts to turn its stream by") }
    var rest = self
    rest.width = nil
    let uncut = rest.isEmpty ? base : try Llama(ModelImport(source, cut: cut), on: base.backend, sharing: base)
    let slice = try SliceGPT(uncut, prompts: prompts, width: width, monitor: monitor)
    for (name, value) in slice.details.members { cut.details[name] = value }
    return try ModelImport(source, matrixType: matrixType, cut: cut, rebuilt: slice.rebuilt)
  }
}

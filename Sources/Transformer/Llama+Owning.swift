import Formats
import TensorCore

extension Llama {
  /// A model of which some tensors can be changed: they lie in writable memory of their own. The others are as `Llama(plan, on:)` has them,
  /// mapped or quantised.
  /// - Parameters:
  ///   - plan: what the model is; `ModelImport(source)` for a model as it is stored.
  ///   - owning: the type that a tensor of this name is computed with, if it is to be changed. Norms and maps of the residual stream are f32
  ///     whatever it says.
  ///   - shared: tensors of another model on the same backend, for what is not to be changed and is the same there.
  ///   - master: called with the exact value, f32, of each tensor whose type rounds it.
  /// - Throws: `BackendError` for the device, `FormatError` for weights that the wanted type cannot hold.
  public init(
    _ plan: ModelImport, on backend: any ComputeBackend, owning type: @escaping (_ name: String) -> DType?,
    sharing shared: SharedTensors? = nil, master: ((_ name: String, Tensor) -> Void)? = nil
  ) throws {
    try self.init(plan, on: backend, own: OwnTensors(type: type, shared: shared, master: master))
  }
}

/// Tensors that are copied out of their files while a model is loaded.
struct OwnTensors {
  /// nil for a tensor that stays as it is.
  let type: (String) -> DType?
  let shared: SharedTensors?
  let master: ((String, Tensor) -> Void)?

  /// `stored` as a tensor that nobody else reads.
  func take(_ name: String, _ stored: Tensor, as type: DType) throws(BackendError) -> Tensor {
    precondition(type.isDense, "owning: \(name) cannot be changed as \(type.name)")
    let isExact = type == .f32 || type == stored.dtype
    if let master, type != .f32 {
      let exact = try OwnTensors.copy(stored, as: .f32)
      master(name, exact)
      return try exact.copied(as: type)
    }
    return isExact ? try OwnTensors.copy(stored, as: type) : try stored.copied(as: type)
  }

  /// What was uploaded is nobody else's yet.
  private static func copy(_ stored: Tensor, as type: DType) throws(BackendError) -> Tensor {
    stored.dtype == type && !stored.storage.isBorrowed ? stored : try stored.copied(as: type)
  }
}

import Formats
import TensorCore
import Transformer

/// A model of which some tensors are in memory of their own, to be changed.
public struct Trainee: Sendable {
  public let model: Llama
  /// In the order of the forward pass; an adapter's parameters, where there is one, are all.
  public let trained: [TrainedParameter]
  public let adapter: Adapter?

  /// A frozen model with an adapter that is trained.
  public init(_ model: Llama, adapter: Adapter) {
    self.model = model
    self.adapter = adapter
    trained = adapter.parameters
  }

  /// Loads a model with the tensors of `names` ready for training: f32 where the backend computes in f32, else bf16 with its exact value in
  /// an f32 master. Everything else stays mapped or quantised, and is frozen.
  /// - Parameters:
  ///   - plan: the model; `ModelImport(source)` for one as it is stored.
  ///   - names: of tensors as model files name them; a tied head has the embedding's.
  ///   - hasMasters: false keeps no master of a bf16 tensor, whose steps are then rounded at random.
  ///   - shared: tensors of another model on the same backend, for what is frozen and the same there.
  /// - Throws: `BackendError`, `FormatError`.
  public init(
    _ plan: ModelImport, training names: Set<String>, masters hasMasters: Bool = true, sharing shared: SharedTensors? = nil,
    on backend: any ComputeBackend
  ) throws {
    let type = backend.activations
    var masters: [String: Tensor] = [:]
    adapter = nil
    model = try Llama(
      plan, on: backend, owning: { names.contains($0) ? type : nil }, sharing: shared, master: hasMasters ? { masters[$0] = $1 } : nil)
    let all = model.parameters
    precondition(names.isSubset(of: all.map(\.name)), "trainee: the model has no \(names.subtracting(all.map(\.name)))")
    trained = all.filter { names.contains($0.name) }.map { TrainedParameter(name: $0.name, tensor: $0.tensor, master: masters[$0.name]) }
  }

  public var backend: any ComputeBackend { model.backend }
  public var trainedCount: Int { trained.reduce(0) { $0 + $1.tensor.shape.count } }

  /// What the trained tensors of a model without adapter have become, for `ModelImport(_:matrixType:retrained:)`. Read while the file is written.
  public var rows: [String: RowMaker] {
    var rows: [String: RowMaker] = [:]
    for parameter in trained {
      let value = parameter.value
      rows[parameter.name] = { try value.rows($0).floats() }
    }
    return rows
  }
}

import Formats
import TensorCore
import Terminal
import Training
import Transformer

/// What a run changes: tensors of the model, or an adapter beside it.
enum FinetuneTarget {
  case tensors(Set<String>, TrainedParts, hasMasters: Bool)
  case adapter(AdapterRequest)

  init(_ arguments: Arguments, _ options: FinetuneOptions, for source: ModelSource) throws {
    if let request = try AdapterRequest(arguments, for: source) {
      self = .adapter(request)
      return
    }
    do throws(FormatError) {
      let names = try options.parts.names(of: TrainedParts.Subject(source))
      self = .tensors(names, options.parts, hasMasters: !arguments.has("no-master"))
    } catch {
      throw CommandError(error.description)
    }
  }

  func kind(isNew: Bool, hasTeacher: Bool) -> TrainingKind {
    switch self {
    case .adapter: .adapter
    case .tensors(_, let parts, _): isNew ? .scratch : parts.scope != .all ? .parts : hasTeacher ? .taught : .full
    }
  }

  /// What it takes on a device, before anything is loaded.
  func cost(_ source: ModelSource, optimizer: Optimizer.Kind, on backend: any ComputeBackend) -> TrainingCost {
    switch self {
    case .adapter(let request):
      TrainingCost(
        source.config, adapter: request.options, frozen: ModelFit(source, on: backend).weights, optimizer: optimizer, on: backend)
    case .tensors(let names, _, let hasMasters):
      TrainingCost(
        source.config, training: names, frozen: ModelFit(source, on: backend, without: names).weights, hasMasters: hasMasters,
        optimizer: optimizer, on: backend)
    }
  }

  /// - Parameter shared: tensors that are on the device already, for what stays as it is.
  func load(_ plan: ModelImport, seed: UInt64, sharing shared: SharedTensors?, on backend: any ComputeBackend) throws -> Trainee {
    switch self {
    case .adapter(let request):
      let model = try Llama(plan, on: backend, owning: { _ in nil }, sharing: shared)
      return Trainee(model, adapter: try request.adapter(for: model, seed: seed))
    case .tensors(let names, _, let hasMasters):
      return try Trainee(plan, training: names, masters: hasMasters, sharing: shared, on: backend)
    }
  }

  /// What of it determines a run's numbers.
  var identity: String {
    switch self {
    case .adapter(let request): "adapter of \(request.identity)"
    case .tensors(let names, _, let hasMasters):
      SHA256.hex(of: Array(names.sorted().joined(separator: "\n").utf8)) + (hasMasters ? "" : ", without masters")
    }
  }

  /// "adapter of rank 8, alpha 16"; nil for all tensors.
  var description: String? {
    switch self {
    case .adapter(let request): return "adapter of \(request.description)"
    case .tensors(let names, let parts, _):
      let what: String? =
        switch parts.scope {
        case .all: nil
        case .patches: "patches"
        case .nearCut(let count): "\(count) \(count == 1 ? "layer" : "layers") on both sides of every cut"
        }
      return what ?? (parts.frozen.isEmpty ? nil : "\(names.count) tensors")
    }
  }
}

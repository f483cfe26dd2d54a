import Formats
import TensorCore
import Transformer

/// Low-rank updates of a frozen model's projections (LoRA, arXiv 2106.09685): x·Wᵀ becomes x·Wᵀ + scale·(drop(x)·Aᵀ)·Bᵀ with A [r, in] and
/// B [out, r], wherever a tape that has the adapter multiplies with W. The model may be quantised; it is never changed.
///
/// A and B are computed with in the type that the device's products want (`ComputeBackend.weights(storedAs: .f32)`); where that is not f32, the
/// exact values are in masters of their own.
public final class Adapter: Sendable {
  public struct Options: Sendable, Equatable {
    public var rank: Int
    public var alpha: Double
    /// The share of a product's input that is dropped in training.
    public var dropout: Double
    public var targets: Set<TensorName.Part>
    /// Scale is alpha/√rank instead of alpha/rank (rsLoRA, arXiv 2312.03732).
    public var rankStabilized: Bool

    public init(
      rank: Int = 8, alpha: Double = 16, dropout: Double = 0, targets: Set<TensorName.Part> = Set(AdapterTargets.parts),
      rankStabilized: Bool = false
    ) {
      self.rank = rank
      self.alpha = alpha
      self.dropout = dropout
      self.targets = targets
      self.rankStabilized = rankStabilized
    }
  }

  /// What one weight has.
  struct Pair: Sendable {
    let layer: Int
    let part: TensorName.Part
    /// Held, so that nobody else's memory can take its identity.
    let weight: Tensor
    let a: TrainedParameter, b: TrainedParameter
    /// What the products of A are multiplied with, [1, r] f32; nil for 1.
    let scales: Tensor?
    /// Its place among the adapter's pairs: that of its dropout among a step's.
    let site: Int
  }

  public let settings: AdapterSettings
  let pairs: [Pair]
  private let places: [Gradients.Key: Int]

  /// A new adapter that changes nothing yet: A uniform within ±1/√in, as PEFT starts it (Kaiming's bound with a = √5), B zero.
  /// - Parameters:
  ///   - model: projections that were cut have no pair.
  ///   - seed: the same gives the same A.
  public convenience init(for model: Llama, options: Options, seed: UInt64) throws(BackendError) {
    let settings = AdapterSettings(
      rank: options.rank, alpha: options.alpha, dropout: options.dropout, rankStabilized: options.rankStabilized,
      targets: AdapterTargets(options.targets))
    var random = SplitMix64(seed: seed)
    try self.init(for: model, settings) { (part, layer, weight) throws(BackendError) in
      guard options.targets.contains(part) else { return nil }
      let bound = 1 / Float(weight.columns).squareRoot()
      let a = (0..<options.rank * weight.columns).map { _ in (Float(random.next() >> 40) * 0x1p-23 - 1) * bound }
      return AdapterMatrices(
        layer: layer, part: part, rank: options.rank, a: a, b: Array(repeating: 0, count: weight.rows * options.rank))
    }
  }

  /// An adapter that was saved; it goes on from there.
  /// - Throws: when it does not fit the model, or holds NaN or infinity.
  public convenience init(_ file: AdapterFile, for model: Llama) throws {
    try file.check(fits: model.config)
    var matrices: [String: AdapterMatrices] = [:]
    for pair in file.pairs {
      matrices[pair.name] = AdapterMatrices(
        layer: pair.layer, part: pair.part, rank: pair.rank, a: try file.values(of: pair.a), b: try file.values(of: pair.b))
    }
    try self.init(for: model, file.settings) { (part, layer, _) throws(BackendError) in matrices[TensorName.layer(layer, part)] }
  }

  private init(
    for model: Llama, _ settings: AdapterSettings,
    matrices: (TensorName.Part, Int, Tensor) throws(BackendError) -> AdapterMatrices?
  ) throws(BackendError) {
    var pairs: [Pair] = []
    var places: [Gradients.Key: Int] = [:]
    for layer in model.layers {
      for part in AdapterTargets.parts {
        guard let weight = layer.weight(part), let values = try matrices(part, layer.index, weight) else { continue }
        let scale = Float(settings.scale(of: part, layer: layer.index))
        let scales = scale == 1 ? nil : try Tensor(1, values.rank, on: model.backend)
        if let scales { model.backend.fill(scales, with: scale) }
        func parameter(_ side: AdapterTensorName.Side, _ values: [Float], rows: Int) throws(BackendError) -> TrainedParameter {
          let name = AdapterTensorName(layer: layer.index, part: part, side: side).text
          let exact = try Tensor(values, rows: rows, columns: values.count / rows, on: model.backend)
          let type = model.backend.weights(storedAs: .f32)
          return type == .f32
            ? TrainedParameter(name: name, tensor: exact) : TrainedParameter(name: name, tensor: try exact.copied(as: type), master: exact)
        }
        places[Gradients.Key(weight)] = pairs.count
        pairs.append(
          Pair(
            layer: layer.index, part: part, weight: weight, a: try parameter(.a, values.a, rows: values.rank),
            b: try parameter(.b, values.b, rows: weight.rows), scales: scales, site: pairs.count))
      }
    }
    (self.settings, self.pairs, self.places) = (settings, pairs, places)
  }

  /// A and B of every pair, in the order of the forward pass, under their names in a PEFT file.
  public var parameters: [TrainedParameter] { pairs.flatMap { [$0.a, $0.b] } }

  public var parameterCount: Int { parameters.reduce(0) { $0 + $1.tensor.shape.count } }

  func pair(of weight: Tensor) -> Pair? { places[Gradients.Key(weight)].map { pairs[$0] } }

  /// The exact values, as they are now.
  public func matrices() throws(BackendError) -> [AdapterMatrices] {
    var matrices: [AdapterMatrices] = []
    for pair in pairs {
      matrices.append(
        AdapterMatrices(
          layer: pair.layer, part: pair.part, rank: pair.a.tensor.rows, a: try pair.a.value.floats(), b: try pair.b.value.floats()))
    }
    return matrices
  }

  /// Writes a folder that PEFT and `AdapterFile` read (`AdapterFile.write`).
  /// - Parameters:
  ///   - source: what the model was loaded from; the file says so, with its path where PEFT can load that.
  ///   - replacing: whether an adapter may be there already.
  public func write(to folder: String, for source: ModelSource, replacing: Bool = false) throws {
    try AdapterFile.write(
      matrices(), settings, base: source.identity(), baseName: source.isHuggingFaceFolder ? source.path : nil, to: folder,
      replacing: replacing)
  }
}

extension DecoderLayer {
  /// The weight of a projection; nil where its sublayer was cut.
  fileprivate func weight(_ part: TensorName.Part) -> Tensor? {
    switch part {
    case .query: attention?.query
    case .key: attention?.key
    case .value: attention?.value
    case .attentionOutput: attention?.output
    case .gate: mlp?.gate
    case .up: mlp?.up
    case .down: mlp?.down
    case .patch, .attentionNorm, .attentionShortcut, .mlpNorm, .mlpShortcut: nil
    }
  }
}

import TensorCore

/// A model whose layers are all alike and whose stream meets no maps, equal to one of which that is not true: what other programs' files can
/// hold. Narrow layers get neurons and heads of zeros, a sublayer that was cut comes back with an output of zeros, a layer without sublayers
/// goes. All of that adds exact zeros to the residual stream.
struct UniformModel: Sendable {
  /// What a file format asks for.
  struct Rules: Sendable {
    /// Where layers have different numbers of neurons, all get the greatest, rounded up to a multiple of this.
    var neuronMultiple = 1
    /// Whether matrices stay in block types as they are, whose rows are whole blocks.
    var holdsBlocks = false
    /// Whether queries and keys are kept with rotary pairs side by side.
    var interleavesHeads = false
    /// The type of every tensor; nil keeps each one's own.
    var dtype: DType?
  }

  /// Layers alike, without maps.
  let config: LlamaConfig
  /// The plan's layers that are written.
  let layers: [Int]
  /// In the order of the forward pass, under Hugging Face's names.
  let tensors: [PaddedTensor]
  /// What had to be changed so that the format can hold the model, a sentence each; nothing for a model that it holds as it is.
  let changes: [String]
  /// Other things the user should know.
  let notes: [String]

  /// - Throws: when the stream is multiplied with a matrix somewhere behind the first sublayer, which no weight beside it can take over.
  init(_ plan: ModelImport, _ rules: Rules, format: String) throws(FormatError) {
    var changes: [String] = []
    let maps = try ResidualMaps(plan, format: format)
    if let sentence = maps.sentence { changes.append(sentence) }
    var kept = plan.config.layers.indices.filter { plan.config.layers[$0].queryHeads > 0 || plan.config.layers[$0].intermediateSize > 0 }
    let empty = plan.config.layers.indices.filter { !kept.contains($0) }
    // A Llama of no layers is none that others load.
    if kept.isEmpty { kept = [0] }
    let left = empty.filter { !kept.contains($0) }
    if !left.isEmpty { changes.append("\(UniformModel.layers(left)) without any sublayer: left out") }
    var sizes = UniformSizes(plan, kept: kept, rules)
    changes += sizes.changes
    var notes: [String] = []
    tensors = UniformTensors(plan, kept: kept, sizes, rules, embedding: maps.embedding).tensors(&notes)
    sizes.config.tiedEmbeddings = plan.config.tiedEmbeddings && maps.embedding == nil
    config = sizes.config
    layers = kept
    self.changes = changes
    self.notes = plan.notes + notes
  }

  var parameters: Int { tensors.reduce(0) { $0 + $1.shape.count } }
  var bytes: Int { tensors.reduce(0) { $0 + $1.byteCount } }

  /// "layers 3-4, 7", "layer 3"
  static func layers(_ indices: [Int]) -> String { (indices.count == 1 ? "layer " : "layers ") + IndexRanges.text(indices) }
}

/// The one size that all layers get.
struct UniformSizes: Sendable {
  /// Of the model that is written, layers alike. Its head is still as tied as the plan's.
  var config: LlamaConfig
  /// Key heads, query heads for each of them.
  let groups: Int
  let share: Int
  let neurons: Int
  private(set) var changes: [String] = []

  init(_ plan: ModelImport, kept: [Int], _ rules: UniformModel.Rules) {
    var config = plan.config
    let layers = kept.map { config.layers[$0] }
    let attending = layers.filter { $0.queryHeads > 0 }
    groups = attending.map(\.keyHeads).max() ?? 1
    share = attending.map { $0.queryHeads / $0.keyHeads }.max() ?? 1
    let widths = layers.map(\.intermediateSize).filter { $0 > 0 }
    let widest = widths.max() ?? 32
    let isUneven = Set(widths).count > 1
    let downBlock = UniformSizes.block(of: plan, rules) { $0.hasSuffix("down_proj.weight") }
    neurons = UniformSizes.roundedUp(widest, to: max(isUneven ? rules.neuronMultiple : 1, downBlock))

    let (heads, neurons) = (groups * share, neurons)
    func name(_ indices: [Int]) -> String { UniformModel.layers(indices) }
    let withoutAttention = kept.filter { config.layers[$0].queryHeads == 0 }
    let withoutMLP = kept.filter { config.layers[$0].intermediateSize == 0 }
    if !withoutAttention.isEmpty { changes.append("\(name(withoutAttention)) without attention: written with one of zeros") }
    if !withoutMLP.isEmpty { changes.append("\(name(withoutMLP)) without MLP: written with one of zeros") }
    let fewHeads = kept.filter { config.layers[$0].queryHeads > 0 && config.layers[$0].queryHeads < heads }
    if !fewHeads.isEmpty {
      changes.append("\(name(fewHeads)) with fewer heads: padded with zeros to \(heads) heads of \(groups) key heads")
    }
    let narrow = kept.filter { config.layers[$0].intermediateSize > 0 && config.layers[$0].intermediateSize < neurons }
    if !narrow.isEmpty { changes.append("\(name(narrow)) with fewer neurons: padded with zeros to \(neurons)") }

    // 1/sqrt(Σx²/C + ε) = sqrt(W/C)/sqrt(Σx²/W + ε·C/W): the norms' weights take the first factor.
    let width = UniformSizes.roundedUp(config.hiddenSize, to: UniformSizes.block(of: plan, rules, where: UniformSizes.readsStream))
    if width != config.hiddenSize {
      changes.append(
        "width \(config.hiddenSize): padded with zeros to \(width), so that rows are whole blocks; norms and their epsilon are scaled to match"
      )
      config.normEpsilon *= Double(config.hiddenSize) / Double(width)
      config.hiddenSize = width
    }
    config.layers = Array(
      repeating: .init(queryHeads: heads, keyHeads: groups, intermediateSize: neurons), count: kept.count)
    config.finalPatch = nil
    self.config = config
  }

  /// The elements of the largest block among the matrices that `isMeant` names, 1 where formats do without.
  private static func block(of plan: ModelImport, _ rules: UniformModel.Rules, where isMeant: (String) -> Bool) -> Int {
    guard rules.holdsBlocks else { return 1 }
    return plan.items.filter { isMeant($0.name) }.map { (rules.dtype ?? $0.dtype).block.elements }.max() ?? 1
  }

  /// Whether the matrix has a column for each channel of the residual stream.
  static func readsStream(_ name: String) -> Bool {
    !TensorName.isNorm(name) && !TensorName.isResidualMap(name) && !name.hasSuffix("down_proj.weight") && !name.hasSuffix("o_proj.weight")
  }

  private static func roundedUp(_ count: Int, to multiple: Int) -> Int { (count + multiple - 1) / multiple * multiple }
}

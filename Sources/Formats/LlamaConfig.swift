import JSON

/// Shape and constants of a Llama-family decoder. Sizes are per layer, because a cut model's layers differ.
public struct LlamaConfig: Sendable, Equatable {
  public struct Layer: Sendable, Equatable {
    /// 0 when the attention sublayer was cut.
    public var queryHeads: Int
    public var keyHeads: Int
    /// 0 when the MLP sublayer was cut.
    public var intermediateSize: Int
    /// What the residual stream is multiplied with before it enters the layer; nil for nothing.
    public var patch: ResidualMap?
    /// Whether the residual stream is multiplied with a matrix where it passes the sublayer by: a change of basis of a model whose width was
    /// cut (SliceGPT, arXiv 2401.15024). A sublayer that was cut leaves its shortcut.
    public var attentionShortcut: Bool
    public var mlpShortcut: Bool

    public init(
      queryHeads: Int, keyHeads: Int, intermediateSize: Int, patch: ResidualMap? = nil, attentionShortcut: Bool = false,
      mlpShortcut: Bool = false
    ) {
      self.queryHeads = queryHeads
      self.keyHeads = keyHeads
      self.intermediateSize = intermediateSize
      self.patch = patch
      self.attentionShortcut = attentionShortcut
      self.mlpShortcut = mlpShortcut
    }
  }

  /// A linear map on the residual stream that repairs a cut (LinearPatch, arXiv 2505.24680).
  public enum ResidualMap: String, Sendable, CaseIterable {
    /// A matrix W [C, C], x ← x·Wᵀ.
    case linear
    /// A factor for each column [1, C], x ← x ⊙ d.
    case diagonal
  }

  /// How rotary frequencies are stretched for longer contexts.
  public enum RopeScaling: Sendable, Equatable {
    case none
    /// Every frequency divided by `factor` (arXiv 2306.15595).
    case linear(factor: Double)
    /// Llama 3.1: low frequencies divided by `factor`, high ones kept, a blend between.
    case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContext: Int)
  }

  public var hiddenSize: Int
  public var headDim: Int
  public var vocabularySize: Int
  public var contextLength: Int
  public var normEpsilon: Double
  public var ropeTheta: Double
  public var ropeScaling: RopeScaling
  public var tiedEmbeddings: Bool
  public var bosToken: Int?
  /// The ids that end a text; `eos_token_id` may be one number or a list.
  public var eosTokens: [Int]
  public var layers: [Layer]
  /// What the residual stream is multiplied with before the final norm; nil for nothing.
  public var finalPatch: ResidualMap?

  public init(
    hiddenSize: Int, headDim: Int, vocabularySize: Int, contextLength: Int, normEpsilon: Double = 1e-5, ropeTheta: Double = 10000,
    ropeScaling: RopeScaling = .none, tiedEmbeddings: Bool, bosToken: Int? = nil, eosTokens: [Int] = [], layers: [Layer],
    finalPatch: ResidualMap? = nil
  ) {
    self.hiddenSize = hiddenSize
    self.headDim = headDim
    self.vocabularySize = vocabularySize
    self.contextLength = contextLength
    self.normEpsilon = normEpsilon
    self.ropeTheta = ropeTheta
    self.ropeScaling = ropeScaling
    self.tiedEmbeddings = tiedEmbeddings
    self.bosToken = bosToken
    self.eosTokens = eosTokens
    self.layers = layers
    self.finalPatch = finalPatch
  }

  /// The id that is written behind a finished text: the first that ends one and does not also begin one, as a begin token in
  /// generation_config.json's list does.
  public var endToken: Int? { eosTokens.first { $0 != bosToken } ?? eosTokens.first }
}

import Formats
import JSON
import TensorCore
import Transformer

/// A model of a smaller hidden width (SliceGPT, arXiv 2401.15024): the residual stream is rotated to its principal axes, anew at each
/// sublayer, and all but the first k coordinates go. What joins two bases is a matrix of k x k beside each sublayer.
///
///     let slice = try SliceGPT(model, prompts: calibration.prompts, width: SliceGPT.width(of: model.config, ratio: 0.2))
///     let plan = try ModelImport(source, cut: cut, rebuilt: slice.rebuilt)      // `model` is `source` after `cut`
///     let sliced = try Llama(plan, on: backend)
///
/// At place j (the input of sublayer j; last, of the final norm) H = Σ xᵀx over the calibration's tokens, damped by 0.01·mean(diag H), and
/// V_j [k, C] are its eigenvectors of largest eigenvalue. The stream x goes on as x·V_jᵀ·V_j, so that later places see what earlier slicing
/// lost, as in the official sequential algorithm. The new weights: embedding E·V₀ᵀ; what reads the stream W·diag(norm)·V_jᵀ, what writes
/// it V_j₊₁·W; shortcut V_j₊₁·V_jᵀ; head W·diag(norm)·V_lastᵀ. Norms go on dividing by the whole width C: weight √(C/k), epsilon·C/k.
/// With k = C nothing changes but rounding.
///
/// Differs from the official code (microsoft/TransformerCompression): the embedding's mean is not subtracted, which is exact for LayerNorm
/// and not for RMSNorm; the last place is sliced as well, where the official default leaves the head its whole width; axes stay in order,
/// no random rotation inside the k that stay (the same function); the model's own epsilon, where it has 1e-5. Embedding and head become two
/// matrices also where they were one.
///
/// Measured, perplexity at ratios 0, 0.1, 0.2, 0.3 (widths in multiples of 8, windows of 256 with BOS, the first 60 000 and 40 000
/// characters, axes from 160 stories cut at 256 tokens): talespin-15m on other stories 41.33, 41.34, 41.38, 41.46, on WikiText-2 3226,
/// 3226, 3229, 3226; talespin-tiny on stories it knows 3.75, 4.43, 6.05, 7.69, on WikiText-2 3207, 3524, 4002, 4521.
///
/// Deterministic: the same model, prompts, width and machine give the same bits. Patches and shortcuts of earlier cuts are folded into the
/// matrices around them. Cost: one forward pass over the calibration, 2C² per token and place, and an eigendecomposition of [C, C] in
/// double precision for each place on one thread (see `SymmetricEigen`). Memory beside the model: the residual stream of all calibration
/// tokens on the device, some matrices [C, C], and the bases on disk (`ScratchFile`).
public struct SliceGPT: Sendable {
  public enum Part: String, Sendable {
    case attention, mlp, head
  }

  /// Where the stream has a basis of its own.
  public struct Place: Sendable, Equatable {
    /// The number of layers for the head.
    public let layer: Int
    /// What reads the stream there.
    public let part: Part
    /// The share of Σ|x|² over the calibration's tokens that the slice keeps.
    public let captured: Double
  }

  /// Of the mean of H's diagonal, added to it.
  static let damping = 0.01
  /// Calibration tokens for each column of H below which `notes` warns; the paper has 64 at C = 4096.
  private static let tokensPerColumn = 8

  public let model: Llama
  /// k
  public let width: Int
  /// In the order of the forward pass.
  public let places: [Place]
  /// Calibration tokens.
  public let tokens: Int
  let path: StreamPath
  let bases: StreamBases

  /// - Parameters:
  ///   - model: cut already by whatever else is to be cut; weights count as its backend holds them, so use f32 precision.
  ///   - prompts: calibration ids. Every token counts alike, the first of each prompt too.
  ///   - width: k, at most the model's.
  ///   - monitor: called with the places done and in all; what it throws stops the work.
  /// - Throws: `BackendError`, `FormatError` for scratch space, `SliceError` for a stream that is not finite.
  public init(
    _ model: Llama, prompts: [[Int32]], width: Int, monitor: (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws {
    precondition((1...model.config.hiddenSize).contains(width), "slicegpt: width \(width) of \(model.config.hiddenSize)")
    precondition(prompts.contains { !$0.isEmpty }, "slicegpt: no calibration tokens")
    self.model = model
    self.width = width
    path = StreamPath(model)
    tokens = prompts.reduce(0) { $0 + $1.count }
    bases = try StreamBases(path.placeCount, Shape(width, model.config.hiddenSize), on: model.backend)
    places = try SlicePass(model, path, prompts: prompts).run(into: bases, monitor: monitor)
  }

  /// (1 - ratio)·C, rounded down to a multiple; the whole width for ratio 0. The official code rounds to 8; 32 suits block-quantised types.
  /// - Throws: `SliceError` for a ratio outside 0 ..< 1 or one that leaves less than one multiple.
  public static func width(of config: LlamaConfig, ratio: Double, multiple: Int = 32) throws(SliceError) -> Int {
    precondition(multiple > 0, "slicegpt: width in multiples of \(multiple)")
    guard ratio >= 0, ratio < 1 else { throw .ratio(ratio) }
    if ratio == 0 { return config.hiddenSize }
    // A ratio in decimal, like 0.1 of 320, must not fall one short.
    let width = Int(((1 - ratio) * Double(config.hiddenSize) + 1e-9).rounded(.down)) / multiple * multiple
    guard width > 0 else { throw .nothingLeft(ratio: ratio, hiddenSize: config.hiddenSize, multiple: multiple) }
    return width
  }

  /// The sliced model's shape.
  public var config: LlamaConfig {
    var config = model.config
    // 1/√(Σx²/C + ε) = √(k/C) / √(Σx²/k + ε·C/k); the norms' weights take the other factor.
    config.normEpsilon *= Double(config.hiddenSize) / Double(width)
    config.hiddenSize = width
    config.tiedEmbeddings = false
    config.finalPatch = nil
    for index in config.layers.indices {
      config.layers[index].patch = nil
      config.layers[index].attentionShortcut = config.layers[index].queryHeads > 0
      config.layers[index].mlpShortcut = config.layers[index].intermediateSize > 0
    }
    return config
  }

  /// The sliced model's weights, computed on the model's backend while they are written.
  public var rebuilt: ModelImport.Rebuilt {
    let makers = SlicedTensors(self).makers
    return ModelImport.Rebuilt(config: config) { name in
      guard let maker = makers[name] else { preconditionFailure("slicegpt: no rows for \(name)") }
      return maker
    }
  }

  /// For the history of the file.
  public var details: JSON.Object {
    ["width": .int(width), "calibration_tokens": .int(tokens), "captured": .array(places.map { .double($0.captured) })]
  }

  /// What the user should know, a sentence each.
  public var notes: [String] {
    var notes: [String] = []
    let columns = model.config.hiddenSize
    if tokens < SliceGPT.tokensPerColumn * columns {
      notes.append(
        "the calibration has \(tokens) tokens for axes of \(columns) columns; "
          + "below \(SliceGPT.tokensPerColumn * columns) they follow these texts rather than the model")
    }
    let (before, after) = (model.config.parameterCount, config.parameterCount)
    if after >= before {
      notes.append(
        "the sliced model has \(after) parameters, the whole one \(before): shortcuts"
          + "\(model.config.tiedEmbeddings ? " and a head of its own" : "") weigh more than what was sliced")
    }
    return notes
  }
}

public enum SliceError: Error, Sendable, Equatable, CustomStringConvertible {
  case ratio(Double)
  case nothingLeft(ratio: Double, hiddenSize: Int, multiple: Int)
  case notFinite(layer: Int, part: SliceGPT.Part)

  public var description: String {
    switch self {
    case .ratio(let ratio): "the ratio of the width to slice off must be at least 0 and below 1, not \(ratio)"
    case .nothingLeft(let ratio, let size, let multiple):
      "slicing \(ratio) off a width of \(size) leaves less than \(multiple) columns; take a lower ratio or a smaller multiple"
    case .notFinite(let layer, let part):
      "the residual stream \(part == .head ? "before the final norm" : "entering layer \(layer)'s \(part.rawValue)") "
        + "holds NaN or infinite values for these texts; it has no principal axes"
    }
  }
}

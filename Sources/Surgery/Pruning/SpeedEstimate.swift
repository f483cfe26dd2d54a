import Formats

/// How much faster a cut model should be, from counts alone: reading weights bounds writing one token after another, arithmetic bounds
/// reading a prompt. What a machine makes of it, `hoof compare` measures.
public struct SpeedEstimate: Sendable {
  /// Of the source and of the new model.
  public let bytesPerToken: (before: Int, after: Int)
  public let flopsPerToken: (before: Double, after: Double)

  /// Tokens of a prompt, for the share of the attention.
  private static let promptLength = 512

  public init(_ plan: ModelImport) {
    // Of an embedding that is not the head too, a token reads one row.
    func bytes(_ sizes: ModelSizes, _ config: LlamaConfig) -> Int {
      sizes.bytes - (config.tiedEmbeddings ? 0 : sizes.kinds[.embedding]?.bytes ?? 0)
    }
    func flops(_ config: LlamaConfig) -> Double {
      StudyCost(config, lengths: [SpeedEstimate.promptLength]).full / Double(SpeedEstimate.promptLength)
    }
    bytesPerToken = (bytes(plan.before, plan.source.config), bytes(plan.after, plan.config))
    flopsPerToken = (flops(plan.source.config), flops(plan.config))
  }

  /// Times the speed of the source.
  public var decode: Double { Double(bytesPerToken.before) / Double(max(1, bytesPerToken.after)) }
  public var prefill: Double { flopsPerToken.before / max(1, flopsPerToken.after) }
}

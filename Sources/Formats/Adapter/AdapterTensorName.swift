/// The name PEFT gives a matrix of a pair: "base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight".
public struct AdapterTensorName: Sendable, Hashable {
  public enum Side: String, Sendable {
    /// [r, in]
    case a = "lora_A"
    /// [out, r]
    case b = "lora_B"
  }

  public var layer: Int
  public var part: TensorName.Part
  public var side: Side

  public init(layer: Int, part: TensorName.Part, side: Side) {
    self.layer = layer
    self.part = part
    self.side = side
  }

  public var text: String { "base_model.model.\(AdapterTargets.module(part, layer: layer)).\(side.rawValue).weight" }

  /// Reads a name, with or without the adapter's own ("….lora_A.default.weight", as a model that holds several writes it).
  /// - Throws: for whatever is not part of a pair of a decoder layer.
  init(_ text: String, in path: String) throws(FormatError) {
    let words = text.split(separator: ".", omittingEmptySubsequences: false)
    if text.contains("lora_embedding") || text.contains("embed_tokens") || text.contains("lm_head") {
      throw FormatError(path, text, "adapters of embeddings and heads are not supported; those of the layers' projections are")
    }
    if text.contains("lora_magnitude_vector") { throw FormatError(path, text, "DoRA adapters are not supported; only plain LoRA is") }
    guard words.count == 9 || words.count == 10, words[..<4] == ["base_model", "model", "model", "layers"], words.last == "weight",
      words.count == 9 || !words[8].isEmpty, let layer = AdapterTensorName.index(words[4]), let side = Side(rawValue: String(words[7])),
      let part = AdapterTargets.parts.first(where: { $0.rawValue == words[5] + "." + words[6] })
    else { throw FormatError(path, text, "is not a LoRA matrix of one of a Llama layer's projections") }
    self.init(layer: layer, part: part, side: side)
  }

  private static func index(_ word: Substring) -> Int? {
    guard !word.isEmpty, word.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
    guard word.utf8.count == 1 || word.utf8.first != UInt8(ascii: "0"), let index = Int(word), index < Limits.layers.upperBound else {
      return nil
    }
    return index
  }
}

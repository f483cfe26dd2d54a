/// Names of a Llama model's tensors in a GGUF file.
enum GGUFName {
  static let embedding = "token_embd.weight"
  static let finalNorm = "output_norm.weight"
  static let head = "output.weight"
  static let ropeFactors = "rope_freqs.weight"

  private static let parts: [TensorName.Part: String] = [
    .attentionNorm: "attn_norm", .query: "attn_q", .key: "attn_k", .value: "attn_v", .attentionOutput: "attn_output", .mlpNorm: "ffn_norm",
    .gate: "ffn_gate", .up: "ffn_up", .down: "ffn_down",
  ]

  static func layer(_ layer: Int, _ part: TensorName.Part) -> String {
    guard let name = parts[part] else { preconditionFailure("gguf: there is no place for \(part.rawValue)") }
    return "blk.\(layer).\(name).weight"
  }

  /// By Hugging Face's name, that of every tensor of a config without maps.
  static func names(of config: LlamaConfig) -> [String: String] {
    var names = [TensorName.embedding: embedding, TensorName.finalNorm: finalNorm, TensorName.head: head]
    for index in config.layers.indices { for part in parts.keys { names[TensorName.layer(index, part)] = layer(index, part) } }
    return names
  }
}

/// What a token of a GGUF file is, by ggml's numbers.
enum GGUFTokenKind: Int {
  case normal = 1, unknown, control, userDefined, unused, byte
}

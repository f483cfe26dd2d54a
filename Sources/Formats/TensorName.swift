/// Names of a Llama model's tensors, as Hugging Face writes them; the .hoof file uses the same. Patches and shortcuts are hoof's own.
public enum TensorName {
  public static let embedding = "model.embed_tokens.weight"
  public static let finalPatch = "model.patch.weight"
  public static let finalNorm = "model.norm.weight"
  public static let head = "lm_head.weight"

  /// The tensors of one decoder layer.
  public enum Part: String, Sendable, CaseIterable {
    case patch = "patch"
    case attentionNorm = "input_layernorm"
    case query = "self_attn.q_proj"
    case key = "self_attn.k_proj"
    case value = "self_attn.v_proj"
    case attentionOutput = "self_attn.o_proj"
    case attentionShortcut = "self_attn.shortcut"
    case mlpNorm = "post_attention_layernorm"
    case gate = "mlp.gate_proj"
    case up = "mlp.up_proj"
    case down = "mlp.down_proj"
    case mlpShortcut = "mlp.shortcut"
  }

  public static func layer(_ layer: Int, _ part: Part) -> String { "model.layers.\(layer).\(part.rawValue).weight" }
}

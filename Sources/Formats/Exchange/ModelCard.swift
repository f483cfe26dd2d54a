import JSON

/// README.md of an exported folder: what the model is, what was cut from it, what that cost, and how to load it.
struct ModelCard {
  private let export: HuggingFaceExport
  private let name: String
  private let base: String?

  init(_ export: HuggingFaceExport, name: String?, base: String?) {
    self.export = export
    let bare = export.plan.source.path.split(separator: "/").last.map(String.init) ?? "model"
    self.name = name ?? (bare.hasSuffix(".hoof") || bare.hasSuffix(".gguf") ? String(bare.dropLast(5)) : bare)
    self.base = base
  }

  var text: String {
    [frontMatter, "# \(ModelCard.line(name))\n", summary, history, measured, held, loading].filter { !$0.isEmpty }.joined(separator: "\n")
  }

  private var isCut: Bool { !export.plan.history.isEmpty }

  private var frontMatter: String {
    var lines = ["---", "library_name: transformers", "pipeline_tag: text-generation"]
    // A quoted string, so that no name can add keys.
    if let base { lines.append("base_model: \(JSON.string(base).text())") }
    lines += ["tags:", "- hoof"] + (isCut ? ["- pruned"] : []) + ["---", ""]
    return lines.joined(separator: "\n")
  }

  private var summary: String {
    let (before, config) = (export.plan.before, export.config)
    let origin =
      base.map { "Made from \(ModelCard.line($0)) with hoof." } ?? "Made with hoof, a workbench for surgery on Llama-family models."
    let sizes = """
      | | parameters | weights |
      |---|---|---|
      | the model | \(before.parameters) | \(before.bytes) bytes |
      | this folder (\(export.dtype.name)) | \(export.parameters) | \(export.bytes) bytes |

      \(config.layers.count) layers of width \(config.hiddenSize), \(config.layers[0].queryHeads) heads of \(config.headDim) \
      (\(config.layers[0].keyHeads) key heads), \(config.layers[0].intermediateSize) neurons; vocabulary \(config.vocabularySize), \
      context \(config.contextLength).

      """
    return origin + "\n\n" + sizes
  }

  private var history: String {
    guard isCut else { return "" }
    var text = "## What was done to it\n\n"
    for (index, entry) in export.plan.history.enumerated() {
      text +=
        "\(index + 1). **\(ModelCard.line(entry["method"]?.string ?? "cut"))**" + ModelCard.story(entry).map { "; \($0)" }.joined() + "\n"
    }
    let layers = export.plan.originalLayers
    text += "\nIts layers are layers \(IndexRanges.text(layers)) of the first model.\n"
    return text
  }

  /// What one step left, and the files it was made by.
  private static func story(_ entry: JSON) -> [String] {
    var parts: [String] = []
    if let before = entry["layers_before"]?.int, let kept = entry["kept_layers"]?.array?.compactMap(\.int), !kept.isEmpty {
      parts.append("\(before) → \(kept.count) layers, kept \(IndexRanges.text(kept))")
    }
    if let removes = entry["removes"]?.array?.compactMap(\.string), !removes.isEmpty {
      parts.append("without " + removes.map(line).joined(separator: ", "))
    }
    for (key, title) in [("kept_heads", "heads"), ("kept_neurons", "neurons")] {
      guard let counts = entry[key]?.object, counts.count > 0 else { continue }
      let layers = counts.members.map { "\($0.1.int ?? 0) in layer \(line($0.0))" }
      parts.append("\(title) kept: " + layers.joined(separator: ", "))
    }
    if let before = entry["hidden_size_before"]?.int, let after = entry["hidden_size"]?.int { parts.append("width \(before) → \(after)") }
    if let steps = entry["steps"]?.int { parts.append("\(steps) steps") }
    if let tokens = entry["tokens"]?.int { parts.append("\(tokens) tokens") }
    for (key, title) in [
      ("report", "report"), ("plan", "plan"), ("calibration", "calibration"), ("data", "data"), ("teacher", "teacher"),
      ("source", "source"),
    ] {
      if let fingerprint = entry[key]?.string { parts.append("\(title) `\(line(fingerprint).filter { $0 != "`" }.prefix(16))`") }
    }
    return parts
  }

  /// What was measured when it was done, a line for each step that says something.
  private var measured: String {
    func number(_ value: JSON?) -> String { value?.double.map { ModelCard.rounded($0) } ?? "" }
    func pair(_ entry: JSON, _ name: String) -> String {
      let (before, after) = (number(entry[name + "_before"]), number(entry[name]))
      return before.isEmpty || after.isEmpty ? after : "\(before) → \(after)"
    }
    let rows = export.plan.history.enumerated().compactMap { index, entry -> String? in
      let cells = [number(entry["kl"]), pair(entry, "perplexity"), pair(entry, "loss"), pair(entry, "held_out_loss")]
      guard cells.contains(where: { !$0.isEmpty }) else { return nil }
      return "| \(index + 1). \(ModelCard.line(entry["method"]?.string ?? "cut")) | " + cells.joined(separator: " | ") + " |"
    }
    guard !rows.isEmpty else { return "" }
    return """
      ## What was measured

      | step | KL, nats | perplexity | loss | held-out loss |
      |---|---|---|---|---|
      \(rows.joined(separator: "\n"))

      On each step's own calibration or training data.

      """
  }

  private var held: String {
    guard !export.changes.isEmpty else { return "" }
    return """
      ## How the cut is held

      A plain `LlamaForCausalLM` has equal layers, so that this folder holds zeros where the model has nothing. The logits are the same; size and
      speed are not those of the cut model, which a .hoof file keeps.

      \(export.changes.map { "- \($0)" }.joined(separator: "\n"))

      """
  }

  private var loading: String {
    """
    ## How to load it

    ```python
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained("path/to/this/folder", dtype="auto")
    tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
    ids = tokenizer("Once upon a time", return_tensors="pt")
    print(tokenizer.decode(model.generate(**ids, max_new_tokens=100)[0]))
    ```

    `hoof create path/to/this/folder -o model.hoof` makes the file that hoof works on. What the base model's licence says holds for this one.

    """
  }

  /// Four significant digits or a thousandth, whichever is finer.
  private static func rounded(_ value: Double) -> String {
    guard value.isFinite, value.magnitude < 1e12 else { return "\(value)" }
    var scale = 1000.0
    while value != 0, (value * scale).magnitude < 1000, scale < 1e9 { scale *= 10 }
    return "\((value * scale).rounded() / scale)"
  }

  /// Names come from files: one line, and nothing that Markdown would take for a table or HTML.
  private static func line(_ text: String) -> String {
    String(text.unicodeScalars.map { $0.value < 0x20 || $0 == "|" || $0 == "<" || $0 == ">" ? " " : Character($0) })
  }
}

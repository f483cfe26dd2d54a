import Formats
import JSON
import Terminal
import Tokenization

extension Command {
  static let inspect = Command(
    spec: CommandSpec(
      "inspect", summary: "config, layers, sizes, tokenizer and surgery history of a model; what a LoRA adapter changes",
      positionals: [Positional("MODEL", help: "a Hugging Face folder, a .hoof or GGUF file, or an adapter's folder")],
      options: [
        CommandOption("verify", help: "read all weights: compare them with the file's checksums and look for NaN and infinity"),
        .json, CommandOption("verbose", short: "v", help: "list every tensor"),
      ],
      examples: [
        .init("hoof inspect base.hoof", "what is in it, layer by layer"),
        .init("hoof inspect base.hoof --verify", "and whether its bytes are as they were written"),
      ]),
    run: { arguments in
      let path = arguments.first("MODEL")!
      if AdapterFile.isAdapter(path) { return try AdapterInspection.run(path, arguments) }
      let source = try Models.open(path)
      var inspection = try Inspection(source)
      if arguments.has("verify") { try inspection.verify() }
      if arguments.has("json") { return try Output.line(inspection.json.text(pretty: true)) }
      try Output.write(inspection.text(withTensors: arguments.has("verbose")))
    })
}

/// What `hoof inspect` knows about a model.
struct Inspection {
  let source: ModelSource
  let tokenizer: Tokenizer?
  /// A sentence, after a check that passed.
  private(set) var verified: String?
  private(set) var fingerprint: String?

  init(_ source: ModelSource) throws(CommandError) {
    self.source = source
    tokenizer = try Models.tokenizer(of: source)
    // Of a .hoof file it comes from the header; of other formats it would mean reading all weights.
    fingerprint = isHoof ? source.fingerprint() : nil
  }

  private var isHoof: Bool { source.format == .hoof }
  var format: String {
    switch source.format {
    case .hoof: ".hoof file"
    case .gguf: "GGUF file"
    case .folder: "Hugging Face folder"
    }
  }

  mutating func verify() throws(CommandError) {
    do throws(FormatError) {
      try source.verify()
      try source.checkFinite()
    } catch {
      throw CommandError(error.description)
    }
    verified = isHoof ? "all checksums match, no NaN, no infinity" : "no NaN, no infinity (the format has no checksums)"
    fingerprint = source.fingerprint()
  }

  /// The stored tensors of a layer, in the order of the forward pass.
  func parts(of layer: Int) -> [(part: TensorName.Part, tensor: StoredTensor)] {
    TensorName.Part.allCases.compactMap { part in source.tensors[TensorName.layer(layer, part)].map { (part, $0) } }
  }

  /// All tensors in the order of the forward pass.
  var tensors: [StoredTensor] { source.config.tensorShapes.compactMap { source.tensors[$0.name] } }
}

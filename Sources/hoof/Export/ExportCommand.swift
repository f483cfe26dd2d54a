import Formats
import Terminal

extension Command {
  static let export = Command(
    spec: CommandSpec(
      "export", summary: "write a model as others load it: a Hugging Face folder or a GGUF file",
      details: """
        Other programs want equal layers. What was cut unevenly is filled with zeros again, so that the result gives the same logits; what a
        format cannot hold at all is refused, and either is said before anything is written. --strict refuses both. In a folder, weights keep
        their type where all are f32, f16 or bf16, and become f32 else; a GGUF file keeps q8_0 and q4_K as they are.
        """,
      positionals: [Positional("MODEL", help: "a Hugging Face folder, a .hoof file or a GGUF file")],
      options: [
        CommandOption("hf", .string, placeholder: "DIR", help: "write a Hugging Face folder with a model card"),
        CommandOption("gguf", .string, placeholder: "FILE", help: "write a GGUF file (version 3, architecture llama)"),
        CommandOption("dtype", .choice(ExportTarget.types.map(\.name)), help: "type of the folder's weights (default: see above)"),
        CommandOption("shard-size", .size, help: "most bytes of weights in one file of the folder (default: 5G)"),
        CommandOption("strict", help: "refuse a model that the format does not hold as it is"),
        CommandOption("name", .string, placeholder: "NAME", help: "what the result calls the model (default: MODEL's name)"),
        CommandOption("base", .string, placeholder: "NAME", help: "the model it comes from, for the folder's model card"),
        .force, CommandOption("dry-run", help: "say what would be written, and write nothing"), .threads, .json, .quiet,
      ],
      exclusive: [["hf", "gguf"], ["gguf", "dtype"], ["gguf", "shard-size"], ["gguf", "base"]],
      examples: [
        .init("hoof export pitcher.hoof --hf pitcher/ --dtype bf16", "for transformers, vLLM and others"),
        .init("hoof export pitcher.hoof --gguf pitcher.gguf", "for llama.cpp and others, quantised weights as they are"),
        .init("hoof export cut.hoof --gguf cut.gguf --dry-run", "what would be filled with zeros, and how large it gets"),
      ]),
    run: { arguments in
      Interrupt.catchSignals()
      let target = try ExportTarget(arguments)
      let source = try Models.open(arguments.first("MODEL")!)
      let export = try Export(source, to: target, arguments)
      if !arguments.has("quiet") { for line in export.warnings { Output.note("hoof: \(line)") } }
      let isDry = arguments.has("dry-run")
      if !isDry { try export.write(arguments) }
      if arguments.has("json") { return try Output.line(export.json(isWritten: !isDry).text(pretty: true)) }
      try Output.write(export.text(isWritten: !isDry))
    })
}

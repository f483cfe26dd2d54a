import Formats
import Glibc
import TensorCore
import Terminal
import Tokenization

extension Command {
  private static let shapes: [(name: String, config: LlamaConfig)] = [
    ("llama-3.2-1b", RandomModel.llama1B), ("llama-3.2-3b", RandomModel.llama3B), ("llama-3.1-8b", RandomModel.llama8B),
    ("tinyllama-1.1b", RandomModel.tinyLlama), ("tiny", RandomModel.tiny),
  ]

  static let randomModel = Command(
    spec: CommandSpec(
      "random-model", summary: "a Hugging Face folder with made-up weights, to try sizes on",
      details: "The tokenizer knows the 256 bytes and a begin token, nothing else.",
      options: [
        CommandOption("shape", .choice(shapes.map(\.name)), help: "whose shape (default: llama-3.2-1b)"),
        .output("the folder to write; it must not be there yet"),
        CommandOption("dtype", .choice(["f32", "f16", "bf16"]), help: "of the weights (default: f16)"),
        .seed, .threads, .quiet,
      ],
      examples: [
        .init("hoof random-model --shape llama-3.2-1b -o big/", "2.5 GB"),
        .init("hoof random-model --shape llama-3.2-3b --dtype bf16 -o big/", "6.4 GB"),
      ]),
    run: { arguments in
      guard let folder = arguments.string("output") else { throw UsageError(command: "random-model", "-o is missing: -o FOLDER") }
      guard access(folder, F_OK) != 0 else { throw CommandError("the output exists already", at: folder) }
      let config = shapes.first { $0.name == arguments.string("shape") ?? "llama-3.2-1b" }!.config
      let dtype = DType.allCases.first { $0.name == arguments.string("dtype") ?? "f16" }!
      let threads = arguments.int("threads") ?? max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
      do throws(FormatError) {
        try RandomModel.write(config: config, dtype: dtype, seed: UInt64(arguments.int("seed") ?? 0), to: folder, threads: threads)
      } catch {
        throw CommandError(error.description)
      }
      let tokenizer = ByteTokenizer.json.text(pretty: true)
      try AtomicFile.write(tokenizer + "\n", to: "\(folder)/tokenizer.json", force: true)
      if !arguments.has("quiet") { Output.note("hoof: wrote \(folder.onOneLine)") }
    })
}

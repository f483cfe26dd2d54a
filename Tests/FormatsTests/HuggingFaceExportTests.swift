import Formats
import JSON
import TensorCore
import TestSupport
import Testing

@Suite("Exporting Hugging Face folders")
struct HuggingFaceExportTests {
  @Test("an uneven model becomes a plain one of equal layers with the same logits", arguments: [DType?.none, .q8_0, .q4_K], [true, false])
  func uneven(stored: DType?, tied: Bool) throws {
    let (source, folder) = try Exchanged.uneven(stored, tied: tied)
    let plan = try HuggingFaceExport(ModelImport(source))
    #expect(plan.dtype == .f32 && plan.parameters > source.sizes.parameters)
    #expect(plan.changes.count == 5, "\(plan.changes)")
    try plan.write(to: folder.file("out"), threads: 2)
    let config = try JSON(parsing: folder.read("out/config.json"))
    #expect(config["num_attention_heads"] == 4 && config["num_key_value_heads"] == 2 && config["head_dim"] == 16)
    #expect(config["intermediate_size"] == 172 && config["num_hidden_layers"] == 5 && config["architectures"] == ["LlamaForCausalLM"])
    let copy = try ModelSource.open(path: folder.file("out"))
    #expect(copy.sizes.parameters == plan.parameters && copy.sizes.bytes == plan.bytes)
    #expect(Exchanged.error(try Exchanged.logits(copy), try Exchanged.logits(source)) < 1e-5)
    // Layer 1 keeps one head of each key head: the second of each group is zeros, in q's rows and in o's columns.
    let (query, output) = (copy.tensors[TensorName.layer(1, .query)]!.values, copy.tensors[TensorName.layer(1, .attentionOutput)]!.values)
    for row in 0..<64 { #expect((row / 16 % 2 == 1) == query[row * 64..<(row + 1) * 64].allSatisfy { $0 == 0 }, "\(row)") }
    #expect(output.indices.allSatisfy { $0 % 64 / 16 % 2 == 0 || output[$0] == 0 })
    #expect(copy.tensors[TensorName.layer(3, .attentionOutput)]!.values.allSatisfy { $0 == 0 })
    #expect(copy.tensors[TensorName.layer(2, .down)]!.values.allSatisfy { $0 == 0 })
    #expect(copy.tensors[TensorName.layer(2, .mlpNorm)]!.values.allSatisfy { $0 == 1 })
    let message = Exchanged.refusal { _ = try HuggingFaceExport(ModelImport(source), .init(isStrict: true)) }
    #expect(message.contains("--strict writes only what a LlamaForCausalLM holds"), "\(message)")
  }

  @Test("shards hold what fits, an index says where everything is, and none of it stays when a smaller model replaces it")
  func shards() throws {
    let folder = try SmallModels.folder(SmallModels.untied, .bf16)
    let source = try ModelSource.open(path: folder.path)
    try HuggingFaceExport(ModelImport(source), .init(shardBytes: 100_000)).write(to: folder.file("out/"), threads: 2)
    let names = TestFiles.names(in: folder.file("out")).filter { $0.hasSuffix(".safetensors") }
    #expect(names.count > 2 && names.first == "model-00001-of-0000\(names.count).safetensors")
    for name in names { #expect(try TestFiles.read(folder.file("out/\(name)")).count < 100_000 + 4096) }
    let index = try JSON(parsing: folder.read("out/model.safetensors.index.json"))
    #expect(index["weight_map"]?.object?.count == source.tensors.count)
    #expect(index["metadata"]?["total_size"]?.int == source.sizes.parameters * 2)
    let copy = try ModelSource.open(path: folder.file("out"))
    #expect(copy.fingerprint() == source.fingerprint())
    try folder.write("out/notes.txt", "mine")
    let plan = try HuggingFaceExport(ModelImport(source), .init(dtype: .f32))
    #expect(Exchanged.refusal { try plan.write(to: folder.file("out"), threads: 2) }.contains("--force"))
    #expect(
      Exchanged.refusal { try plan.write(to: folder.file("out"), replacing: true, threads: 2) { _, _ in false } }.contains("stopped"))
    #expect(try ModelSource.open(path: folder.file("out")).fingerprint() == source.fingerprint())
    try plan.write(to: folder.file("out"), replacing: true, threads: 2)
    #expect(
      TestFiles.names(in: folder.file("out")) == ["README.md", "config.json", "generation_config.json", "model.safetensors", "notes.txt"])
    #expect(folder.names().allSatisfy { !$0.hasPrefix(".out") })
    #expect(try ModelSource.open(path: folder.file("out")).tensors.values.allSatisfy { $0.dtype == .f32 })
    #expect(Exchanged.refusal { try plan.write(to: folder.path, replacing: true, threads: 1) }.contains("is the source itself"))
  }

  @Test("the card tells base, cuts, measurements and zeros; names cannot break it")
  func card() throws {
    let (uneven, folder) = try Exchanged.uneven()
    let cut = ModelImport.Cut(
      keepLayers: [0, 1, 2, 3, 5], method: "greedy|<b>",
      details: ["kl": 0.0676612, "perplexity_before": 3.30144, "perplexity": 3.5, "plan": "abcdef0123456789abcd"])
    try ModelImport(uneven, cut: cut).write(to: folder.file("second.hoof"), threads: 1)
    let source = try ModelSource.open(path: folder.file("second.hoof"))
    try HuggingFaceExport(ModelImport(source), .init(name: "my\nmodel", base: "org/\"base\"\nlicense: x")).write(
      to: folder.file("out"), threads: 1)
    let text = String(decoding: try folder.read("out/README.md"), as: UTF8.self)
    #expect(
      text.hasPrefix("---\nlibrary_name: transformers\npipeline_tag: text-generation\nbase_model: \"org/\\\"base\\\"\\nlicense: x\"\n"))
    #expect(text.contains("\n# my model\n"))
    #expect(text.contains("1. **uneven**; 6 → 6 layers, kept 0-5; heads kept: 2 in layer 0"))
    #expect(text.contains("2. **greedy  b **; 6 → 5 layers, kept 0-3, 5; plan `abcdef0123456789`"))
    #expect(text.contains("| 2. greedy  b  | 0.06766 | 3.301 → 3.5 |  |  |"))
    #expect(text.contains("- layer 3 without attention: written with one of zeros"))
    #expect(text.contains("from_pretrained"))
  }
}

import Formats
import JSON
import TensorCore
import TestSupport
import Testing

@Suite("Writing GGUF files")
struct GGUFExportTests {
  private func export(_ source: ModelSource, to folder: TemporaryFolder, strict: Bool = false) throws -> GGUFParts {
    try GGUFExport(ModelImport(source), isStrict: strict).write(to: folder.file("out.gguf"), replacing: true, threads: 2)
    return GGUFParts(try folder.read("out.gguf"))
  }

  @Test("metadata, names, dimensions and offsets are as the format asks", arguments: [DType.f32, .f16, .bf16])
  func layout(dtype: DType) throws {
    var config = SmallModels.untied
    config.ropeScaling = .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 32)
    let folder = try SmallModels.folder(config, dtype)
    let parts = try export(ModelSource.open(path: folder.path), to: folder)
    #expect(parts.version == 3)
    for (key, value) in [
      ("general.architecture", GGUFParts.Value.text("llama")), ("llama.block_count", .number(4)), ("llama.embedding_length", .number(64)),
      ("llama.feed_forward_length", .number(172)), ("llama.attention.head_count", .number(4)),
      ("llama.attention.head_count_kv", .number(2)),
      ("llama.attention.key_length", .number(16)), ("llama.rope.dimension_count", .number(16)), ("llama.context_length", .number(128)),
      ("llama.vocab_size", .number(96)), ("llama.rope.freq_base", .number(10000)), ("tokenizer.ggml.model", .text("no_vocab")),
      ("llama.attention.layer_norm_rms_epsilon", .number(Double(Float(1e-5)))),
      ("general.file_type", .number(dtype == .f32 ? 0 : dtype == .f16 ? 1 : 32)),
    ] { #expect(parts.metadata[key] == value, "\(key)") }
    // ggml reads no gaps: each tensor starts at the next multiple of 32 behind the one before.
    var end = 0
    for name in parts.names {
      let tensor = parts.tensors[name]!
      #expect(tensor.offset == end, "\(name)")
      let isVector = tensor.dimensions.count == 1
      #expect(tensor.type == (isVector || dtype == .f32 ? 0 : dtype == .f16 ? 1 : 30), "\(name)")
      end += (tensor.dimensions.reduce(1, *) * (isVector || dtype == .f32 ? 4 : 2) + 31) / 32 * 32
    }
    #expect(parts.bytes.count == parts.dataStart + end)
    #expect(parts.names.count == 4 * 9 + 4)
    #expect(parts.tensors["blk.3.ffn_down.weight"]?.dimensions == [172, 64])
    #expect(parts.tensors["output_norm.weight"]?.dimensions == [64] && parts.tensors["output.weight"]?.dimensions == [64, 96])
    let factors = parts.floats("rope_freqs.weight")
    // Wavelengths 2π·10000^(i/8) from 6.3 on; those below 32/4 stay, those above 32 are divided by 8.
    #expect(factors.count == 8 && factors[0] == 1 && factors[2...].allSatisfy { $0 == 8 } && factors[1] > 1 && factors[1] < 8)
  }

  @Test("weights go in byte for byte, queries and keys with each head's halves in turns", arguments: [DType.f32, .bf16, .q8_0, .q4_K])
  func weights(dtype: DType) throws {
    var config = SmallModels.config
    (config.hiddenSize, config.headDim) = (256, 64)
    config.layers = Array(repeating: .init(queryHeads: 4, keyHeads: 2, intermediateSize: 512), count: 2)
    let folder = try SmallModels.folder(config, .f32)
    try ModelImport(ModelSource.open(path: folder.path), matrixType: dtype).write(to: folder.file("m.hoof"), threads: 2)
    let source = try ModelSource.open(path: folder.file("m.hoof"))
    let parts = try export(source, to: folder, strict: true)
    for (part, name) in [
      (TensorName.Part.query, "attn_q"), (.key, "attn_k"), (.value, "attn_v"), (.attentionOutput, "attn_output"), (.gate, "ffn_gate"),
      (.up, "ffn_up"), (.down, "ffn_down"),
    ] {
      let tensor = try #require(source.tensors[TensorName.layer(1, part)])
      for row in 0..<tensor.shape.rows {
        // reshape(heads, 2, 32, ·).swapaxes(1, 2): row (h, half, i) goes to (h, i, half).
        let (head, half, place) = (row / 64, row % 64 / 32, row % 32)
        let target = part == .query || part == .key ? head * 64 + 2 * place + half : row
        let bytes = tensor.bytes[row * tensor.rowBytes..<(row + 1) * tensor.rowBytes]
        #expect(parts.slice("blk.1.\(name).weight", target * tensor.rowBytes, tensor.rowBytes).elementsEqual(bytes), "\(name) \(row)")
      }
    }
    #expect(parts.metadata["general.quantization_version"] == (dtype.isDense ? nil : .number(2)))
  }

  @Test(
    "an uneven model is filled with zeros to equal layers, widths to whole blocks, and gives the same logits",
    arguments: [DType.f32, .bf16, .q8_0, .q4_K], [64, 96, 288])
  func uneven(dtype: DType, hidden: Int) throws {
    let (source, folder) = try Exchanged.uneven(dtype, hidden: hidden, tied: hidden == 64)
    let plan = try GGUFExport(ModelImport(source))
    #expect(plan.changes.contains { $0.contains("layer 4 without any sublayer: left out") }, "\(plan.changes)")
    #expect(
      plan.changes.contains { $0.contains("layer 3 without attention") } && plan.changes.contains { $0.contains("layer 2 without MLP") })
    #expect(plan.changes.contains { $0.contains("layers 0-1 with fewer heads: padded with zeros to 4 heads of 2 key heads") })
    #expect(plan.changes.contains { $0.contains("padded with zeros to 256") })
    let parts = try export(source, to: folder)
    #expect(parts.metadata["llama.block_count"] == .number(5) && parts.metadata["llama.feed_forward_length"] == .number(256))
    #expect(parts.metadata["llama.attention.head_count"] == .number(4) && parts.metadata["llama.attention.head_count_kv"] == .number(2))
    // What a file must hold to be read by ggml: whole blocks in every row.
    for (name, tensor) in parts.tensors {
      #expect(tensor.dimensions[0] % [8: 32, 12: 256][tensor.type, default: 1] == 0, "\(name) \(tensor)")
    }
    if dtype == .f32 {
      // Neuron 96 of layer 0 is the first that was not there; head 1 belongs to the key head that went.
      let down = parts.floats("blk.0.ffn_down.weight")
      #expect(down.indices.allSatisfy { $0 % 256 < 96 || down[$0] == 0 } && down.contains { $0 != 0 })
      #expect(parts.floats("blk.3.attn_output.weight").allSatisfy { $0 == 0 })
    }
    let copy = try ModelSource.open(path: folder.file("out.gguf"))
    #expect(copy.originalLayers == [0, 1, 2, 3, 5] && copy.history == source.history)
    // bf16 activations do not occur here: products of the same numbers in another order, sums over 288 of them. A width that had to be padded
    // rounds the norms' weights, and f16 in the place of q4_K rounds to 2^-12.
    let converted = !plan.notes.isEmpty
    #expect(Exchanged.error(try Exchanged.logits(copy), try Exchanged.logits(source)) < (converted ? 1e-3 : 1e-5), "\(plan.notes)")
    #expect(
      Exchanged.refusal { _ = try GGUFExport(ModelImport(source), isStrict: true) }.contains("--strict writes only what GGUF's llama"))
  }

  @Test("maps before all sublayers go into the embedding; others are refused by place", arguments: [true, false])
  func maps(tied: Bool) throws {
    var config = SmallModels.config
    config.tiedEmbeddings = tied
    let folder = try SmallModels.folder(config, .f32)
    let source = try ModelSource.open(path: folder.path)
    func cut(at layer: Int, _ patch: ModelImport.Cut.Patch, matrixType: DType? = nil) throws -> ModelSource {
      let cut = ModelImport.Cut(keepLayers: [0, 1, 2, 3], keepHeads: [0: []], keepNeurons: [0: []], patches: [layer: patch], method: "x")
      try ModelImport(source, matrixType: matrixType, cut: cut).write(to: folder.file("cut.hoof"), replacing: true, threads: 2)
      return try ModelSource.open(path: folder.file("cut.hoof"))
    }
    let matrix: RowMaker = { rows in
      rows.flatMap { row in (0..<64).map { row == $0 ? 1 : Float((row * 31 + $0 * 17) % 13 - 6) / 100 } }
    }
    for patch in [ModelImport.Cut.Patch.diagonal((0..<64).map { 1 + Float($0) / 64 }), .linear(matrix)] {
      // bf16, so that the cut itself does not merge them. Layer 0 has no sublayers: a map behind it is still before all of them.
      let patched = try cut(at: 1, patch, matrixType: .bf16)
      #expect(patched.config.layers[1].patch != nil)
      let plan = try GGUFExport(ModelImport(patched))
      #expect(plan.changes.contains { $0.contains("before the first sublayer: multiplied into the embedding") }, "\(plan.changes)")
      #expect(plan.config.tiedEmbeddings == false && plan.config.layers.count == 3)
      try plan.write(to: folder.file("out.gguf"), replacing: true, threads: 2)
      let copy = try ModelSource.open(path: folder.file("out.gguf"))
      #expect(Exchanged.error(try Exchanged.logits(copy), try Exchanged.logits(patched)) < 1e-5)
      let late = try cut(at: 2, patch)
      let message = Exchanged.refusal { _ = try GGUFExport(ModelImport(late)) }
      #expect(message.contains("layer 2: a patch multiplies the residual stream before it, which GGUF has no place for"), "\(message)")
    }
  }

  @Test("a stop leaves no file, an existing one is kept without force, and the source is never replaced")
  func safety() throws {
    let folder = try SmallModels.folder()
    let source = try ModelSource.open(path: folder.path)
    let plan = try GGUFExport(ModelImport(source))
    #expect(Exchanged.refusal { try plan.write(to: folder.file("a.gguf"), threads: 2) { _, _ in false } }.contains("stopped"))
    #expect(!folder.names().contains("a.gguf"))
    try plan.write(to: folder.file("a.gguf"), threads: 3)
    #expect(Exchanged.refusal { try plan.write(to: folder.file("a.gguf"), threads: 1) }.contains("--force"))
    let copy = try ModelSource.open(path: folder.file("a.gguf"))
    let again = try GGUFExport(ModelImport(copy))
    #expect(
      Exchanged.refusal { try again.write(to: folder.file("a.gguf"), replacing: true, threads: 1) }.contains("is the source itself"))
    try again.write(to: folder.file("b.gguf"), threads: 1)
    // The name is the file's own; everything else comes back as it was.
    let (first, second) = (GGUFParts(try folder.read("a.gguf")), GGUFParts(try folder.read("b.gguf")))
    #expect(first.bytes[first.dataStart...].elementsEqual(second.bytes[second.dataStart...]))
  }
}

import Formats
import TensorCore
import Testing
import TestSupport

@Suite("Hugging Face folders")
struct HuggingFaceFolderTests {
  @Test("single and sharded folders of one model agree", .enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
  func singleAndSharded() throws {
    let single = try ModelSource.open(path: SharedData.path("models/stories260K"))
    let sharded = try ModelSource.open(path: SharedData.path("models/stories260K-bf16-sharded"))
    #expect(single.config == sharded.config)
    #expect(single.config.layers == Array(repeating: .init(queryHeads: 8, keyHeads: 4, intermediateSize: 172), count: 5))
    #expect(single.config.eosTokens == [1, 2])
    #expect(single.config.bosToken == 1)
    #expect(single.config.parameterCount == 260_032)
    #expect(single.tensors.values.allSatisfy { $0.dtype == .f32 })
    #expect(sharded.tensors.values.allSatisfy { $0.dtype == .bf16 })
    #expect(Set(single.tensors.keys) == Set(sharded.tensors.keys))
    #expect(single.tokenizer == sharded.tokenizer)
    // Rounding to bf16 keeps the upper half of each float to within one step.
    let (a, b) = (single.tensors[TensorName.embedding]!, sharded.tensors[TensorName.embedding]!)
    for i in 0..<a.shape.count {
      let wide = a.bytes.loadUnaligned(fromByteOffset: 4 * i, as: Float.self)
      let narrow = Float(bitPattern: UInt32(b.bytes.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)) << 16)
      #expect(abs(wide - narrow) <= abs(wide) / 256)
    }
  }

  @Test(
    "real models go into a .hoof file unchanged", .enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)),
    arguments: ["stories260K", "stories260K-bf16-sharded", "talespin-15m", "talespin-tiny"])
  func realModels(name: String) throws {
    let folder = try TemporaryFolder()
    let source = try ModelSource.open(path: SharedData.path("models/\(name)"))
    try source.checkFinite()
    try ModelImport(source).write(to: folder.file("out.hoof"), threads: 2)
    let copy = try ModelSource.open(path: folder.file("out.hoof"))
    try copy.verify()
    #expect(copy.config == source.config)
    #expect(copy.tokenizer == source.tokenizer)
    #expect(copy.chatTemplate == source.chatTemplate)
    for (name, tensor) in source.tensors where !TensorName.isNorm(name) {
      #expect(copy.tensors[name]?.checksum == CRC32C.sum(tensor.bytes))
    }
  }

  @Test("the same weights have one fingerprint, single or sharded; a changed weight or constant gives another")
  func fingerprint() throws {
    let single = try SmallModels.folder(seed: 5)
    let sharded = try SmallModels.folder(seed: 5, shards: 3)
    let other = try SmallModels.folder(seed: 6)
    var config = SmallModels.config
    config.ropeTheta = 20000
    let stretched = try SmallModels.folder(config, seed: 5)
    func fingerprint(_ folder: TemporaryFolder) throws -> String { try ModelSource.open(path: folder.path).fingerprint() }
    let first = try fingerprint(single)
    #expect(first.utf8.count == 64)
    #expect(try fingerprint(sharded) == first)
    #expect(try fingerprint(other) != first)
    #expect(try fingerprint(stretched) != first)
  }

  @Test("made-up weights have the asked mean and spread, whatever the number of threads", arguments: [DType.f32, .f16, .bf16])
  func randomWeights(dtype: DType) throws {
    let folder = try TemporaryFolder()
    let again = try TemporaryFolder()
    try RandomModel.write(config: SmallModels.untied, dtype: dtype, seed: 3, to: folder.path, threads: 1)
    try RandomModel.write(config: SmallModels.untied, dtype: dtype, seed: 3, to: again.path, threads: 4)
    #expect(try folder.read("model.safetensors") == again.read("model.safetensors"))
    let source = try ModelSource.open(path: folder.path)
    for (name, deviation) in [(TensorName.embedding, 0.02), (TensorName.layer(1, .down), 0.02 / 8.0.squareRoot())] {
      let values = try #require(source.tensors[name]).values.map(Double.init)
      let average = values.reduce(0, +) / Double(values.count)
      let squares = values.map { ($0 - average) * ($0 - average) }.reduce(0, +)
      let spread = (squares / Double(values.count)).squareRoot()
      // Some 6000 to 11000 values: one standard error of the spread is below 1 %.
      let standardError = deviation / Double(values.count).squareRoot()
      #expect(abs(average) < 5 * standardError)
      #expect(abs(spread / deviation - 1) < 0.04)
    }
  }
}

@Suite("Writing Hugging Face folders")
struct HuggingFaceFolderWriteTests {
  @Test(
    "a written folder is the model again: config, weights, tokenizer, template",
    .enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)),
    arguments: ["stories260K", "talespin-tiny"])
  func roundTrip(name: String) throws {
    let folder = try TemporaryFolder()
    let source = try ModelSource.open(path: SharedData.path("models/\(name)"))
    try ModelImport(source).write(toFolder: folder.file("out"))
    let copy = try ModelSource.open(path: folder.file("out"))
    #expect(copy.config == source.config && copy.tokenizer == source.tokenizer && copy.chatTemplate == source.chatTemplate)
    for (name, tensor) in source.tensors { #expect(copy.tensors[name]?.bytes.elementsEqual(tensor.bytes) == true, "\(name)") }
    #expect(throws: FormatError.self) { try ModelImport(source).write(toFolder: folder.file("out")) }
    try ModelImport(source, matrixType: .f32).write(toFolder: folder.file("out"), replacing: true)
    #expect(try ModelSource.open(path: folder.file("out")).tensors.values.allSatisfy { $0.dtype == .f32 })
  }

  @Test("what the format cannot hold is refused before anything is written")
  func refusals() throws {
    let folder = try SmallModels.folder(SmallModels.config, .f32)
    let source = try ModelSource.open(path: folder.path)
    for (plan, message) in [
      (try ModelImport(source, matrixType: .q8_0), "block-quantised"),
      (try ModelImport(source, cut: .init(keepLayers: [0, 1], keepNeurons: [1: Array(0..<32)], method: "x")), "other sizes than layer 0"),
      (
        try ModelImport(source, cut: .init(keepLayers: [0, 1], patches: [1: .diagonal(Array(repeating: 1, count: 64))], method: "x")),
        "patch"
      ),
    ] {
      do throws(FormatError) {
        try plan.write(toFolder: folder.file("out"))
        Issue.record("written")
      } catch { #expect(error.description.contains(message), "\(error)") }
      #expect(!folder.names().contains("out"))
    }
  }
}

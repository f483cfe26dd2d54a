import BackendCPU
import Formats
import TensorCore
import TestSupport
import Testing
import Training
import Transformer

/// Teacher and student in one process.
struct TeacherTests {
  /// A teacher of three layers and its cut without the middle one, in files.
  struct Pair {
    let folder: TemporaryFolder
    let teacher: ModelSource, student: ModelSource

    init() throws {
      folder = try TemporaryFolder()
      var config = RandomModel.tiny
      config.tiedEmbeddings = false
      try RandomModel.write(config: config, dtype: .bf16, seed: 7, to: folder.file("teacher"))
      teacher = try ModelSource.open(path: folder.file("teacher"))
      let path = folder.file("student.hoof")
      try ModelImport(teacher, cut: .init(keepLayers: [0, 2], method: "test")).write(to: path, threads: 2)
      student = try ModelSource.open(path: path)
    }
  }

  @Test("a cut model shares the tensors that are its teacher's, under their new names, and owns what it trains")
  func sharing() throws {
    let pair = try Pair()
    let backend = OwnMemory(CPUBackend())
    let teacher = try Llama(pair.teacher, on: backend)
    let before = backend.bytesInUse
    let (plan, shared) = (try ModelImport(pair.student), SharedTensors(pair.teacher, teacher))
    let all = try Llama(plan, on: backend, owning: { _ in nil }, sharing: shared)
    // The rotary frequencies are its own, and the five norms, which .hoof files keep in f32 and the teacher's folder in bf16.
    let config = pair.student.config
    #expect(backend.bytesInUse - before <= 4 * config.headDim + 5 * 4 * config.hiddenSize)
    #expect(all.layers[1].mlp!.up.storage === teacher.layers[2].mlp!.up.storage)
    #expect(all.layers[0].attention!.query.storage === teacher.layers[0].attention!.query.storage)
    #expect(all.embedding.storage === teacher.embedding.storage && all.head.storage === teacher.head.storage)
    let owned: Set<String> = [TensorName.layer(1, .up), TensorName.head]
    let some = try Trainee(plan, training: owned, sharing: shared, on: backend).model
    #expect(some.layers[1].mlp!.up.storage !== teacher.layers[2].mlp!.up.storage && some.head.storage !== teacher.head.storage)
    #expect(some.layers[1].mlp!.gate.storage === teacher.layers[2].mlp!.gate.storage)
    // And it computes the same as one that shares nothing.
    let alone = try Llama(pair.student, on: backend)
    let text: [[Int32]] = [[256, 5, 9, 77], [3]]
    for (shared, own) in zip(try all.logits(text), try alone.logits(text)) { #expect(try shared.floats() == own.floats()) }
    // What is owned is widened to f32; its products sum in another order.
    for (partly, own) in zip(try some.logits(text), try alone.logits(text)) { #expect(try difference(partly, own) < 1e-5) }
  }

  @Test("tensors of other bytes are not shared, whatever their names")
  func different() throws {
    let pair = try Pair()
    let other = pair.folder.file("other.hoof")
    try RandomModel.write(config: pair.teacher.config, dtype: .bf16, seed: 8, to: pair.folder.file("other"))
    try ModelImport(ModelSource.open(path: pair.folder.file("other")), cut: .init(keepLayers: [0, 1], method: "test"))
      .write(to: other, threads: 2)
    let backend = OwnMemory(CPUBackend())
    let teacher = try Llama(pair.teacher, on: backend)
    let plan = try ModelImport(ModelSource.open(path: other))
    let student = try Llama(plan, on: backend, owning: { _ in nil }, sharing: SharedTensors(pair.teacher, teacher))
    #expect(student.layers[0].mlp!.up.storage !== teacher.layers[0].mlp!.up.storage)
    #expect(student.embedding.storage !== teacher.embedding.storage)
  }

  @Test("a teacher with another vocabulary is refused")
  func vocabulary() throws {
    let pair = try Pair()
    var config = RandomModel.tiny
    config.vocabularySize = 600
    try RandomModel.write(config: config, dtype: .bf16, seed: 7, to: pair.folder.file("large"))
    let large = try ModelSource.open(path: pair.folder.file("large"))
    try Teacher.check(pair.teacher, for: pair.student, sample: "once")
    do throws(FormatError) {
      try Teacher.check(large, for: pair.student, sample: "once")
      Issue.record("a teacher of 600 tokens was taken")
    } catch {
      #expect(error.path == large.path && error.description.contains("600"))
    }
  }

  @Test("a teacher with another tokenizer is refused, the same one in another file is not", .enabled(if: SharedData.isHere))
  func tokenizer() throws {
    let folder = try TemporaryFolder()
    func model(_ name: String, tokenizer: [UInt8]) throws -> ModelSource {
      var config = RandomModel.tiny
      config.vocabularySize = 1024
      try RandomModel.write(config: config, dtype: .bf16, seed: 7, to: folder.file(name))
      try folder.write(name + "/tokenizer.json", tokenizer)
      return try ModelSource.open(path: folder.file(name))
    }
    let bytes = try SharedData.bytes("models/talespin-tiny/tokenizer.json")
    let student = try model("student", tokenizer: bytes)
    try Teacher.check(model("same", tokenizer: bytes), for: student, sample: "Once upon a time")
    // Another line end changes the file and nothing that it says.
    try Teacher.check(model("spaced", tokenizer: bytes + [10]), for: student, sample: "Once upon a time")
    let other = try SharedData.bytes("models/stories260K/tokenizer.json")
    #expect(throws: FormatError.self) { try Teacher.check(model("other", tokenizer: other), for: student, sample: "Once upon a time") }
  }
}

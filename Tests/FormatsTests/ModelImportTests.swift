import Formats
import Glibc
import JSON
import Synchronization
import TensorCore
import Testing
import TestSupport

@Suite("Writing .hoof files")
struct ModelImportTests {
  private func write(
    _ source: ModelSource, _ type: DType? = nil, cut: ModelImport.Cut? = nil, in folder: TemporaryFolder, _ name: String = "out.hoof",
    threads: Int = 2
  ) throws -> ModelSource {
    try ModelImport(source, matrixType: type, cut: cut).write(to: folder.file(name), threads: threads)
    return try ModelSource.open(path: folder.file(name))
  }

  @Test("kept as it is, every tensor comes back byte for byte", arguments: [DType.f32, .f16, .bf16], [1, 3])
  func keepsBytes(dtype: DType, shards: Int) throws {
    let folder = try SmallModels.folder(SmallModels.untied, dtype, shards: shards)
    let source = try ModelSource.open(path: folder.path)
    let copy = try write(source, in: folder)
    #expect(copy.config == source.config)
    #expect(copy.originalLayers == [0, 1, 2, 3])
    #expect(Set(copy.tensors.keys) == Set(source.tensors.keys))
    for (name, tensor) in source.tensors {
      let copied = try #require(copy.tensors[name])
      #expect(copied.shape == tensor.shape)
      if TensorName.isNorm(name) {
        #expect(copied.dtype == .f32)
        #expect(copied.values == tensor.values)
      } else {
        #expect(copied.dtype == dtype)
        #expect(copied.bytes.elementsEqual(tensor.bytes))
      }
    }
    try copy.verify()
    if dtype == .f32 { #expect(copy.fingerprint() == source.fingerprint()) }
  }

  @Test("widening to f32 is exact, narrowing to bf16 rounds to nearest")
  func convertsFloats() throws {
    let folder = try SmallModels.folder(SmallModels.config, .f16)
    let source = try ModelSource.open(path: folder.path)
    let wide = try write(source, .f32, in: folder, "wide.hoof")
    let narrow = try write(wide, .bf16, in: folder, "narrow.hoof")
    for (name, tensor) in source.tensors where !TensorName.isNorm(name) {
      #expect(wide.tensors[name]!.values == tensor.values)
      for (a, b) in zip(narrow.tensors[name]!.values, tensor.values) { #expect(abs(a - b) <= abs(b) / 256) }
    }
  }

  @Test("quantised, each value is within half a step of its block", arguments: [DType.f32, .bf16])
  func quantisesQ8(dtype: DType) throws {
    let folder = try SmallModels.folder(SmallModels.config, dtype)
    let source = try ModelSource.open(path: folder.path)
    let quantised = try write(source, .q8_0, in: folder, "q8.hoof")
    let back = try write(quantised, .f32, in: folder, "back.hoof")
    for (name, tensor) in source.tensors where !TensorName.isNorm(name) {
      #expect(quantised.tensors[name]!.dtype == .q8_0)
      let columns = tensor.shape.columns
      let (values, restored) = (tensor.values, back.tensors[name]!.values)
      for start in stride(from: 0, to: values.count, by: columns) {
        for block in stride(from: start, to: start + columns, by: 32) {
          let range = block..<min(block + 32, start + columns)
          let step = values[range].map(abs).max()! / 127
          // Half a step for rounding the value; the scale, an f16, is off by up to 2^-11 of 127 steps.
          for index in range { #expect(abs(values[index] - restored[index]) <= step * 0.57) }
        }
      }
    }
  }

  @Test("q4_K keeps normal weights to within nine percent, root mean square, from files and from q8_0")
  func quantisesQ4() throws {
    // 256 columns, so that every matrix but down_proj is made of whole blocks.
    var config = SmallModels.config
    config.hiddenSize = 256
    config.headDim = 64
    let folder = try SmallModels.folder(config, .bf16)
    let source = try ModelSource.open(path: folder.path)
    let direct = try write(source, .q4_K, in: folder, "q4.hoof")
    let again = try write(try write(source, .q8_0, in: folder, "q8.hoof"), .q4_K, in: folder, "q8q4.hoof")
    for (index, quantised) in [direct, again].enumerated() {
      let back = try write(quantised, .f32, in: folder, "back\(index).hoof")
      for (name, tensor) in source.tensors where !TensorName.isNorm(name) {
        #expect(quantised.tensors[name]!.dtype == .q4_K)
        let (values, restored) = (tensor.values, back.tensors[name]!.values)
        let error = zip(values, restored).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
        let power = values.reduce(0) { $0 + Double($1 * $1) }
        // Sixteen levels over 32 normal values (about four deviations) give a step of 0.27 deviations: 0.27 / sqrt(12) = 0.077 at worst.
        #expect((error / power).squareRoot() < 0.085, "\(name)")
        #expect((error / power).squareRoot() > 0.02, "\(name): too good for four bits")
      }
    }
  }

  @Test("values that the wanted type cannot hold are refused, not made infinite")
  func tooLarge() throws {
    let folder = try SmallModels.folder(SmallModels.config, .f32)
    let source = try ModelSource.open(path: folder.path)
    var bytes = try folder.read("model.safetensors")
    let start = try #require(source.tensors[TensorName.layer(1, .gate)]).range.lowerBound
    bytes.replaceSubrange(start..<start + 4, with: withUnsafeBytes(of: Float(1e30).bitPattern.littleEndian) { Array($0) })
    try folder.write("model.safetensors", bytes)
    let large = try ModelSource.open(path: folder.path)
    for type in [DType.f16, .q8_0] {
      let expected = FormatError(
        folder.file("model.safetensors"), TensorName.layer(1, .gate), "holds values too large for \(type.name); bf16 and f32 hold them")
      #expect(throws: expected) { try write(large, type, in: folder) }
    }
    #expect(try write(large, .bf16, in: folder).tensors.count == source.tensors.count)
  }

  @Test("the result does not depend on the number of threads")
  func threads() throws {
    let folder = try SmallModels.folder()
    let source = try ModelSource.open(path: folder.path)
    _ = try write(source, .q8_0, in: folder, "one.hoof", threads: 1)
    _ = try write(source, .q8_0, in: folder, "five.hoof", threads: 5)
    #expect(try folder.read("one.hoof") == folder.read("five.hoof"))
  }

  @Test("dropping layers renumbers the rest and remembers where they came from, over several cuts")
  func cuts() throws {
    let folder = try SmallModels.folder()
    let source = try ModelSource.open(path: folder.path)
    let first = try write(source, cut: .init(keepLayers: [3, 0, 2], method: "drop-layers"), in: folder, "first.hoof")
    let second = try write(
      first, cut: .init(keepLayers: [1, 2], method: "ablation", details: ["report": "abc"]), in: folder, "second.hoof")
    #expect(first.originalLayers == [0, 2, 3])
    #expect(second.originalLayers == [2, 3])
    #expect(second.config.layers.count == 2)
    #expect(second.history.count == 2)
    #expect(second.history[0] == ["method": "drop-layers", "layers_before": 4, "kept_layers": [0, 2, 3], "original_layers": [0, 2, 3]])
    #expect(
      second.history[1] == ["method": "ablation", "report": "abc", "layers_before": 3, "kept_layers": [1, 2], "original_layers": [2, 3]])
    for part in TensorName.Part.allCases {
      guard let old = source.tensors[TensorName.layer(2, part)] else { continue }
      let new = try #require(second.tensors[TensorName.layer(0, part)])
      #expect(new.bytes.elementsEqual(old.bytes))
    }
  }

  @Test("a cut that names no, unknown or repeated layers is refused", arguments: [[], [4], [-1], [1, 1]])
  func badCuts(layers: [Int]) throws {
    let folder = try SmallModels.folder()
    let source = try ModelSource.open(path: folder.path)
    #expect(throws: FormatError.self) { try ModelImport(source, cut: .init(keepLayers: layers, method: "x")) }
  }

  @Test("heads and neurons that go leave the others' weights where the new shapes ask for them", arguments: [nil, DType.f32])
  func cutsInsideLayers(type: DType?) throws {
    let folder = try SmallModels.folder(SmallModels.config, .bf16)
    let source = try ModelSource.open(path: folder.path)
    let neurons = [5, 0, 171, 17] + Array(32..<64)
    let cut = ModelImport.Cut(
      keepLayers: [0, 1, 3], keepHeads: [1: [2, 3], 3: [0, 2]], keepNeurons: [0: [], 3: neurons], method: "prune", details: ["report": "r"])
    let result = try write(source, type, cut: cut, in: folder)
    #expect(
      result.config.layers == [
        .init(queryHeads: 4, keyHeads: 2, intermediateSize: 0), .init(queryHeads: 2, keyHeads: 1, intermediateSize: 172),
        .init(queryHeads: 2, keyHeads: 2, intermediateSize: 36),
      ])
    #expect(result.originalLayers == [0, 1, 3])
    #expect(result.tensors[TensorName.layer(0, .down)] == nil)
    #expect(result.history.last?["kept_neurons"] == ["0": 0, "3": 36])
    #expect(result.history.last?["kept_heads"] == ["1": 2, "3": 2])

    func check(_ layer: Int, _ part: TensorName.Part, from original: Int, rows: [Int]? = nil, columns: [Int]? = nil) throws {
      let (old, new) = (source.tensors[TensorName.layer(original, part)]!, try #require(result.tensors[TensorName.layer(layer, part)]))
      let (before, after) = (old.values, new.values)
      let rows = rows ?? Array(0..<old.shape.rows)
      let columns = columns ?? Array(0..<old.shape.columns)
      #expect(new.shape == Shape(rows.count, columns.count))
      #expect(new.dtype == type ?? .bf16)
      #expect(after == rows.flatMap { row in columns.map { before[row * old.shape.columns + $0] } })
    }
    let sorted = neurons.sorted()
    try check(1, .query, from: 1, rows: Array(32..<64))
    try check(1, .key, from: 1, rows: Array(16..<32))
    try check(1, .attentionOutput, from: 1, columns: Array(32..<64))
    try check(2, .query, from: 3, rows: Array(0..<16) + Array(32..<48))
    try check(2, .value, from: 3)
    try check(2, .attentionOutput, from: 3, columns: Array(0..<16) + Array(32..<48))
    try check(2, .up, from: 3, rows: sorted)
    try check(2, .down, from: 3, columns: sorted)
    try result.verify()
  }

  @Test(
    "heads that would share key heads unevenly, and heads, neurons and layers that are not there, are refused",
    arguments: [
      (ModelImport.Cut(keepLayers: [0], keepHeads: [0: [0, 1, 2]], method: "x"), "layer 0: heads must stay in equal numbers"),
      (ModelImport.Cut(keepLayers: [0], keepHeads: [0: [4]], method: "x"), "layer 0: there is no head 4; they are 0 to 3"),
      (ModelImport.Cut(keepLayers: [0], keepNeurons: [0: [172]], method: "x"), "layer 0: there is no neuron 172; they are 0 to 171"),
      (ModelImport.Cut(keepLayers: [0], keepNeurons: [0: [3, 3]], method: "x"), "layer 0: a neuron is named twice"),
      (ModelImport.Cut(keepLayers: [0], keepNeurons: [1: [3]], method: "x"), "layer 1: is not among the layers that stay"),
      (ModelImport.Cut(keepLayers: [0, 9], method: "x"), "layers: there is no layer 9; they are 0 to 3"),
    ])
  func badInnerCuts(cut: ModelImport.Cut, message: String) throws {
    let folder = try SmallModels.folder()
    let source = try ModelSource.open(path: folder.path)
    do {
      _ = try ModelImport(source, cut: cut)
      Issue.record("accepted")
    } catch { #expect(error.description.contains(message), "\(error)") }
  }

  @Test("q4_K falls back to q8_0 where its padded rows would be larger, and says so")
  func fallback() throws {
    let folder = try SmallModels.folder()
    let plan = try ModelImport(ModelSource.open(path: folder.path), matrixType: .q4_K)
    let types = Dictionary(uniqueKeysWithValues: plan.items.map { ($0.name, $0.dtype) })
    // 64 columns: 144 bytes against 68; 172 columns: 144 against 204.
    #expect(types[TensorName.layer(0, .query)] == .q8_0)
    #expect(types[TensorName.layer(0, .down)] == .q4_K)
    #expect(types[TensorName.finalNorm] == .f32)
    #expect(plan.notes.count == 1)
  }

  @Test("the plan's sizes are the file's")
  func plannedSizes() throws {
    let folder = try SmallModels.folder(SmallModels.untied, .bf16)
    let source = try ModelSource.open(path: folder.path)
    let plan = try ModelImport(source, matrixType: .q8_0, cut: .init(keepLayers: [0, 3], method: "x"))
    try plan.write(to: folder.file("out.hoof"), threads: 2)
    let written = try ModelSource.open(path: folder.file("out.hoof"))
    #expect(plan.after == written.sizes)
    #expect(plan.before == source.sizes)
    #expect(plan.before.parameters == SmallModels.untied.parameterCount)
    #expect(plan.after.parameters == plan.config.parameterCount)
  }

  @Test("tokenizer and chat template travel unchanged")
  func carriesTokenizer() throws {
    let folder = try SmallModels.folder()
    let tokenizer = "{\"model\": \"\\u00e9 – any bytes\"}\n"
    try folder.write("tokenizer.json", tokenizer)
    try folder.write(
      "tokenizer_config.json", #"{"chat_template": [{"name": "tools", "template": "t"}, {"name": "default", "template": "hi\n{{x}}"}]}"#)
    let copy = try write(try ModelSource.open(path: folder.path), in: folder)
    #expect(copy.tokenizer == Array(tokenizer.utf8))
    #expect(copy.chatTemplate == "hi\n{{x}}")
    try folder.write("chat_template.jinja", "from the file")
    #expect(try ModelSource.open(path: folder.path).chatTemplate == "from the file")
  }

  @Test("progress reaches the total, and a stop leaves no file")
  func progress() throws {
    let folder = try SmallModels.folder()
    let plan = try ModelImport(ModelSource.open(path: folder.path), matrixType: .bf16)
    let seen = Mutex<[(Int, Int)]>([])
    try plan.write(to: folder.file("a.hoof"), threads: 2) { done, total in
      seen.withLock { $0.append((done, total)) }
      return true
    }
    let last = try #require(seen.withLock { $0.last })
    #expect(last.0 == last.1)
    #expect(last.1 == plan.before.bytes)
    let names = folder.names()
    #expect(throws: FormatError.self) { try plan.write(to: folder.file("b.hoof"), threads: 2) { _, _ in false } }
    #expect(folder.names() == names)
  }
}

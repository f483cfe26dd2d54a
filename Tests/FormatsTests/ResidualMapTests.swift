import Formats
import Glibc
import JSON
import Synchronization
import TensorCore
import TensorTesting
import TestSupport
import Testing

@Suite("Patches, shortcuts and channels in files")
struct ResidualMapTests {
  /// A diagonal patch before layer 1, both shortcuts of layer 2, a linear patch before layer 3 and one before the final norm.
  private static var config: LlamaConfig {
    var config = SmallModels.config
    config.layers[1].patch = .diagonal
    config.layers[2].attentionShortcut = true
    config.layers[2].mlpShortcut = true
    config.layers[3].patch = .linear
    config.finalPatch = .linear
    return config
  }

  private let folder: TemporaryFolder
  private let original: ModelSource
  /// The original with random maps.
  private let source: ModelSource

  init() throws {
    folder = try SmallModels.folder(SmallModels.config, .f32)
    let original = try ModelSource.open(path: folder.path)
    try ModelImport(original, rebuilt: .init(config: Self.config) { Self.rows($0, of: original) }).write(
      to: folder.file("maps.hoof"), threads: 2)
    self.original = original
    source = try ModelSource.open(path: folder.file("maps.hoof"))
  }

  private static func rows(_ name: String, of original: ModelSource) -> RowMaker {
    if let stored = original.tensors[name] { return { $0.flatMap { stored.floats(row: $0) } } }
    var generator = RandomGenerator(seed: UInt64(name.utf8.count))
    let values = (0..<64 * 64).map { _ in generator.unit() }
    return { Array(values[$0.lowerBound * 64..<$0.upperBound * 64]) }
  }

  private func write(_ plan: ModelImport, _ name: String = "out.hoof", threads: Int = 3) throws -> ModelSource {
    try plan.write(to: folder.file(name), threads: threads)
    let written = try ModelSource.open(path: folder.file(name))
    try written.verify()
    return written
  }

  @Test("come back with their kinds, places and values, whatever the matrices become", arguments: [nil, DType.bf16, .q8_0])
  func roundTrip(type: DType?) throws {
    let copy = try write(ModelImport(source, matrixType: type))
    #expect(copy.config == Self.config)
    #expect(Set(copy.tensors.keys) == Set(Self.config.tensorShapes.map(\.name)))
    #expect(copy.sizes.kinds[.patches]?.parameters == 64 + 4 * 64 * 64)
    for (name, tensor) in source.tensors where TensorName.isResidualMap(name) {
      let copied = try #require(copy.tensors[name])
      let isDiagonal = tensor.shape.rows == 1
      #expect(copied.dtype == (isDiagonal || type == nil ? .f32 : .f16))
      // f16 keeps eleven bits.
      for (a, b) in zip(copied.values, tensor.values) { #expect(abs(a - b) <= (copied.dtype == .f32 ? 0 : abs(b) / 2048 + 1e-7)) }
    }
    #expect(source.fingerprint() != original.fingerprint())
  }

  /// M [rows, columns] of a tensor, widened.
  private func matrix(_ tensor: StoredTensor?) throws -> Matrix {
    let tensor = try #require(tensor)
    return Matrix(tensor.shape.rows, tensor.shape.columns, tensor.values.map(Double.init))
  }

  /// a·b, in float64.
  private func product(_ a: Matrix, _ b: Matrix) -> Matrix {
    var out = Matrix(a.rows, b.columns)
    for i in 0..<a.rows { for j in 0..<b.columns { for k in 0..<a.columns { out[i, j] += a[i, k] * b[k, j] } } }
    return out
  }

  private func expectClose(_ tensor: StoredTensor?, _ expected: Matrix) throws {
    let found = try matrix(tensor)
    #expect(found.rows == expected.rows && found.columns == expected.columns)
    // Rounded once, from float64 sums.
    #expect(zip(found.values, expected.values).allSatisfy { abs($0 - $1) <= 1e-7 * max(1, abs($1)) })
  }

  @Test("of layers that go become one map, with a new patch last in its place, whether its layer stays or not")
  func composition() throws {
    var generator = RandomGenerator(seed: 3)
    let (factors, matrix) = ((0..<64).map { _ in generator.unit() }, generator.matrix(64, 64))
    let rows: RowMaker = { rows in rows.flatMap { row in (0..<64).map { Float(matrix[row, $0]) } } }
    let cut = ModelImport.Cut(keepLayers: [0], patches: [2: .diagonal(factors), 4: .linear(rows)], method: "x")
    let result = try write(ModelImport(source, cut: cut))
    #expect(result.config.layers == [SmallModels.config.layers[0]] && result.config.finalPatch == .linear)

    func diagonal(_ values: [Float]) -> Matrix {
      var out = Matrix(64, 64)
      for (index, value) in values.enumerated() { out[index, index] = Double(value) }
      return out
    }
    func own(_ part: TensorName.Part, _ layer: Int) throws -> Matrix { try self.matrix(source.tensors[TensorName.layer(layer, part)]) }
    let inOrder = [
      diagonal(try #require(source.tensors[TensorName.layer(1, .patch)]).values), diagonal(factors), try own(.attentionShortcut, 2),
      try own(.mlpShortcut, 2), try own(.patch, 3), try self.matrix(source.tensors[TensorName.finalPatch]), matrix,
    ]
    // x·W₁ᵀ·W₂ᵀ··· = x·(···W₂·W₁)ᵀ
    try expectClose(result.tensors[TensorName.finalPatch], inOrder.dropFirst().reduce(inOrder[0]) { product($1, $0) })

    let twoDiagonals = try write(
      ModelImport(source, cut: .init(keepLayers: [0, 2, 3], patches: [2: .diagonal(factors)], method: "x")), "diagonal.hoof")
    // The patch before layer 3 is in layer 2, which has shortcuts.
    #expect(twoDiagonals.config.layers.map(\.patch) == [nil, .diagonal, nil])
    let before = try #require(source.tensors[TensorName.layer(1, .patch)]).values
    #expect(twoDiagonals.tensors[TensorName.layer(1, .patch)]?.values == zip(before, factors).map { $0 * $1 })
  }

  @Test("behind a sublayer with a shortcut they are in that and in the sublayer's output, where matrices are f32")
  func mergingBehindShortcuts() throws {
    func own(_ part: TensorName.Part, _ layer: Int, in model: ModelSource? = nil) throws -> Matrix {
      try matrix((model ?? source).tensors[TensorName.layer(layer, part)])
    }
    func expect(_ result: ModelSource, _ part: TensorName.Part, columns: [Int]? = nil, channels: [Int]? = nil) throws {
      let (patch, old) = (try own(.patch, 3), try own(part, 2))
      let (rows, columns) = (channels ?? Array(0..<64), columns ?? Array(0..<old.columns))
      var expected = Matrix(rows.count, columns.count)
      for (i, row) in rows.enumerated() {
        for (j, column) in columns.enumerated() { expected[i, j] = rows.reduce(0) { $0 + patch[row, $1] * old[$1, column] } }
      }
      try expectClose(result.tensors[TensorName.layer(1, part)], expected)
    }
    let (kept, neurons) = (Array(0..<60), Array(32..<96))
    let whole = try write(ModelImport(source, cut: .init(keepLayers: [0, 2, 3], method: "x")), "whole.hoof")
    #expect(whole.config.layers[2].patch == nil && whole.config.layers[1].mlpShortcut && whole.config.finalPatch == .linear)
    for part in [TensorName.Part.mlpShortcut, .down] { try expect(whole, part) }
    #expect(try own(.attentionShortcut, 1, in: whole).values == own(.attentionShortcut, 2).values)
    let fewer = try write(
      ModelImport(source, cut: .init(keepLayers: [0, 2, 3], keepNeurons: [2: neurons], keepChannels: kept, method: "x")), "fewer.hoof")
    #expect(fewer.config.layers[2].patch == nil)
    try expect(fewer, .mlpShortcut, columns: kept, channels: kept)
    try expect(fewer, .down, columns: neurons, channels: kept)
    // Without the MLP there is only the shortcut.
    let gone = try write(ModelImport(source, cut: .init(keepLayers: [0, 2, 3], keepNeurons: [2: []], method: "x")), "gone.hoof")
    #expect(gone.config.layers[2].patch == nil && gone.config.layers[1].intermediateSize == 0)
    try expect(gone, .mlpShortcut)
    #expect(try ModelImport(source, matrixType: .bf16, cut: .init(keepLayers: [0, 2, 3], method: "x")).config.layers[2].patch == .linear)
  }

  @Test("before the first layer that is left they are in the embedding, where it is f32 and not the head too")
  func merging() throws {
    var generator = RandomGenerator(seed: 4)
    let (factors, matrix) = ((0..<64).map { _ in generator.unit() }, generator.matrix(64, 64))
    let rows: RowMaker = { rows in rows.flatMap { row in (0..<64).map { Float(matrix[row, $0]) } } }
    let kept = Array(0..<60)
    func cut(channels: [Int]?) -> ModelImport.Cut {
      .init(keepLayers: [2, 3], keepChannels: channels, patches: [1: .diagonal(factors), 2: .linear(rows)], method: "x")
    }
    let folder = try SmallModels.folder(SmallModels.untied, .f32)
    let untied = try ModelSource.open(path: folder.path)
    for channels in [nil, kept] {
      let merged = try write(ModelImport(untied, cut: cut(channels: channels)), channels == nil ? "all.hoof" : "fewer.hoof")
      #expect(merged.config.layers.map(\.patch) == [nil, nil] && merged.sizes.kinds[.patches] == nil)
      let (old, new) = (try self.matrix(untied.tensors[TensorName.embedding]), try self.matrix(merged.tensors[TensorName.embedding]))
      let columns = channels ?? Array(0..<64)
      for token in stride(from: 0, to: 96, by: 5) {
        for (place, column) in columns.enumerated() {
          let expected = columns.reduce(0) { $0 + old[token, $1] * Double(factors[$1]) * matrix[column, $1] }
          // Made of float32 numbers in float64, rounded once; weights are near 0.02.
          #expect(abs(new[token, place] - expected) < 1e-6)
        }
      }
    }
    #expect(try ModelImport(untied, matrixType: .bf16, cut: cut(channels: nil)).config.layers[0].patch == .linear)
    #expect(try ModelImport(original, cut: cut(channels: nil)).config.layers[0].patch == .linear)
  }

  @Test("fewer channels take rows and columns of every map, and norms that go on dividing by the whole width")
  func channels() throws {
    let kept = (0..<64).filter { $0 % 5 != 2 }
    let result = try write(ModelImport(source, cut: .init(keepLayers: [0, 1, 2, 3], keepChannels: kept.reversed(), method: "x")))
    #expect(result.config.hiddenSize == kept.count && result.config.headDim == 16)
    #expect(result.history.last?["hidden_size_before"] == 64 && result.history.last?["hidden_size"] == .int(kept.count))
    func check(_ name: String, rows: Bool, columns: Bool) throws {
      let (old, new) = (try matrix(source.tensors[name]), try matrix(result.tensors[name]))
      let wanted = (rows ? kept : Array(0..<old.rows)).flatMap { row in (columns ? kept : Array(0..<old.columns)).map { old[row, $0] } }
      #expect(new.values == wanted, "\(name)")
    }
    // The patch before layer 3 is in layer 2's shortcut and output matrix: `mergingBehindShortcuts` has their values.
    for name in [TensorName.layer(2, .attentionShortcut), TensorName.finalPatch] { try check(name, rows: true, columns: true) }
    try check(TensorName.layer(1, .patch), rows: false, columns: true)
    try check(TensorName.embedding, rows: false, columns: true)
    for part in [TensorName.Part.query, .key, .value, .gate, .up] { try check(TensorName.layer(2, part), rows: false, columns: true) }
    try check(TensorName.layer(2, .attentionOutput), rows: true, columns: false)
    try check(TensorName.layer(1, .down), rows: true, columns: false)

    // The norm of a row whose other channels are zero, by both models.
    var generator = RandomGenerator(seed: 8)
    let x = kept.map { _ in Double(generator.unit()) * 0.01 }
    func normed(_ source: ModelSource, _ weights: [Float]) -> [Double] {
      let mean = x.reduce(0) { $0 + $1 * $1 } / Double(source.config.hiddenSize)
      return zip(x, weights).map { $0 * Double($1) / (mean + source.config.normEpsilon).squareRoot() }
    }
    for name in [TensorName.finalNorm, TensorName.layer(3, .mlpNorm)] {
      let (old, new) = (try #require(source.tensors[name]).values, try #require(result.tensors[name]).values)
      // The weight is rounded once more.
      for (a, b) in zip(normed(result, new), normed(self.source, kept.map { old[$0] })) { #expect(abs(a - b) <= 2e-7 * abs(b)) }
    }
  }

  @Test(
    "bytes(of:) are the file's, made or stored, whole or cut, and the number of threads does not show", arguments: [nil, DType.q8_0, .q4_K])
  func bytes(type: DType?) throws {
    let cut = ModelImport.Cut(
      keepLayers: [0, 3], keepHeads: [3: [2, 3]], keepNeurons: [0: Array(3..<150)], keepChannels: Array(4..<64), method: "x")
    let plan = try ModelImport(source, matrixType: type, cut: cut)
    let written = try write(plan)
    for item in plan.items {
      let tensor = try #require(written.tensors[item.name])
      #expect(tensor.dtype == item.dtype && tensor.shape == item.shape)
      #expect(try plan.bytes(of: item).elementsEqual(tensor.bytes), "\(item.name)")
    }
    #expect(written.config.finalPatch == .linear && written.config.layers[1].patch == .linear)
    _ = try write(plan, "one.hoof", threads: 1)
    #expect(try folder.read("out.hoof") == folder.read("one.hoof"))
  }

  /// An embedding of 18 MB: two blocks of made rows, each shared among the threads.
  private func large(_ value: @escaping @Sendable (Int) throws -> Float) throws -> ModelImport {
    var config = SmallModels.config
    config.vocabularySize = 70_000
    let original = original
    let embedding: RowMaker = { rows in try (rows.lowerBound * 64..<rows.upperBound * 64).map(value) }
    return try ModelImport(
      original, rebuilt: .init(config: config) { name in name == TensorName.embedding ? embedding : Self.rows(name, of: original) })
  }

  @Test("made rows land where they belong, from one thread and from several, and progress reaches the total")
  func madeRows() throws {
    let plan = try large { Float($0 % 9973) }
    let seen = Mutex<[(Int, Int)]>([])
    try plan.write(to: folder.file("large.hoof"), threads: 3) { done, total in
      seen.withLock { $0.append((done, total)) }
      return true
    }
    let last = try #require(seen.withLock { $0.last })
    #expect(last.0 == last.1 && last.1 == plan.items.reduce(0) { $0 + $1.inputBytes })
    let written = try ModelSource.open(path: folder.file("large.hoof"))
    try written.verify()
    let values = try #require(written.tensors[TensorName.embedding]).values
    #expect(values.count == 70_000 * 64 && values.indices.allSatisfy { values[$0] == Float($0 % 9973) })
  }

  @Test("NaN among made rows, and a maker that fails, leave no file")
  func badMakers() throws {
    struct Failure: Error, CustomStringConvertible { let description = "no rows today" }
    let names = folder.names()
    for (plan, message) in [
      (try large { $0 == 4_400_000 ? .nan : 1 }, "came out with NaN or infinite values"),
      (try large { if $0 == 4_400_000 { throw Failure() } else { 1 } }, "no rows today"),
    ] {
      do {
        try plan.write(to: folder.file("large.hoof"), threads: 3)
        Issue.record("written")
      } catch { #expect(error.description.contains("\(TensorName.embedding): \(message)"), "\(error)") }
      #expect(folder.names() == names)
    }
  }

  @Test("a conversion remembers what it was made from, over several conversions; a cut begins anew")
  func origin() throws {
    let quantised = try write(ModelImport(original, matrixType: .q8_0), "q8.hoof")
    #expect(quantised.origin == original.fingerprint() && original.origin == nil)
    let again = try write(ModelImport(quantised, matrixType: .bf16), "again.hoof")
    #expect(again.origin == original.fingerprint())
    let cut = try write(ModelImport(again, cut: .init(keepLayers: [0, 2], method: "x")), "cut.hoof")
    #expect(cut.origin == nil)
    #expect(try write(ModelImport(cut, matrixType: .f32), "wide.hoof").origin == cut.fingerprint())
  }
}

import Formats
import TensorCore
import Testing
import TestSupport

@Suite("Adapters in the weights")
struct AdapterMergeTests {
  /// An adapter of two projections, one of them of one layer only, with values that are exact in f32.
  private static func adapter(in folder: TemporaryFolder) throws -> AdapterFile {
    let settings = AdapterSettings(rank: 2, alpha: 3, targets: AdapterTargets([.query, .down], layers: [1, 2]))
    var matrices: [AdapterMatrices] = []
    for layer in [1, 2] {
      for (part, columns) in [(TensorName.Part.query, 64), (.down, 172)] {
        let a: [Float] = (0..<2 * columns).map { Float($0 % 11 - 5) / 64 }
        let b: [Float] = (0..<2 * 64).map { Float(($0 + layer) % 13 - 6) / 64 }
        matrices.append(AdapterMatrices(layer: layer, part: part, rank: 2, a: a, b: b))
      }
    }
    try AdapterFile.write(matrices, settings, base: nil, to: folder.file("lora"))
    return try AdapterFile.open(folder.file("lora"), for: SmallModels.config)
  }

  /// W + 1.5·B·A, in Double.
  private static func sums(_ tensor: StoredTensor, _ adapter: AdapterFile) throws -> [Double] {
    var sums = tensor.values.map(Double.init)
    guard let pair = adapter.pairs.first(where: { $0.name == tensor.name }) else { return sums }
    let (a, b) = (try adapter.values(of: pair.a), try adapter.values(of: pair.b))
    for row in 0..<tensor.shape.rows {
      for column in 0..<tensor.shape.columns {
        for k in 0..<2 {
          let product = Double(b[2 * row + k]) * Double(a[k * tensor.shape.columns + column])
          sums[row * tensor.shape.columns + column] += 1.5 * product
        }
      }
    }
    return sums
  }

  private static func write(_ plan: ModelImport, _ name: String, in folder: TemporaryFolder) throws -> ModelSource {
    try plan.write(to: folder.file(name), threads: 2)
    return try ModelSource.open(path: folder.file(name))
  }

  @Test("every weight is W + scale·B·A, rounded once; the others stay byte for byte", arguments: [DType.f32, .bf16])
  func merges(dtype: DType) throws {
    let folder = try SmallModels.folder(SmallModels.config, dtype)
    let source = try ModelSource.open(path: folder.path)
    let adapter = try Self.adapter(in: folder)
    let plan = try ModelImport(source, merging: adapter)
    let merged = try Self.write(plan, "merged.hoof", in: folder)
    for (name, tensor) in source.tensors {
      let found = try #require(merged.tensors[name])
      guard adapter.pairs.contains(where: { $0.name == name }) else {
        #expect(found.values == tensor.values)
        continue
      }
      #expect(found.dtype == dtype)
      // f32 sums of three terms, or half a step of bf16.
      let step = dtype == .f32 ? 0x1p-22 : 0x1p-8
      #expect(try zip(found.values, Self.sums(tensor, adapter)).allSatisfy { abs(Double($0) - $1) <= step * max(abs($1), 1e-3) }, "\(name)")
      #expect(zip(found.values, tensor.values).contains { abs($0 - $1) > 1e-3 })
    }
    #expect(merged.history.count == 1 && merged.history[0]["method"]?.string == "merge-adapter" && merged.history[0]["pairs"]?.int == 4)
    // What was measured on the base does not hold for it.
    #expect(merged.origin == nil && merged.identity() != source.identity())
    #expect(plan.notes.count == (dtype == .f32 ? 0 : 1) && plan.notes.allSatisfy { $0.contains("4 matrices are bf16") })
  }

  @Test("a quantised base is widened, added to and quantised again to its own type")
  func quantised() throws {
    let folder = try SmallModels.folder()
    let source = try Self.write(ModelImport(ModelSource.open(path: folder.path), matrixType: .q8_0), "q8.hoof", in: folder)
    let adapter = try Self.adapter(in: folder)
    let plan = try ModelImport(source, merging: adapter)
    let merged = try Self.write(plan, "merged.hoof", in: folder)
    let wide = try Self.write(ModelImport(source, matrixType: .f32), "wide.hoof", in: folder)
    let back = try Self.write(ModelImport(merged, matrixType: .f32), "back.hoof", in: folder)
    for pair in adapter.pairs {
      #expect(merged.tensors[pair.name]?.dtype == .q8_0)
      let expected = try Self.sums(#require(wide.tensors[pair.name]), adapter)
      let found = try #require(back.tensors[pair.name])
      let columns = found.shape.columns
      for start in stride(from: 0, to: expected.count, by: columns) {
        for block in stride(from: start, to: start + columns, by: 32) {
          let range = block..<min(block + 32, start + columns)
          let step = range.map { abs(expected[$0]) }.max()! / 127
          for index in range { #expect(abs(Double(found.values[index]) - expected[index]) <= step * 0.57) }
        }
      }
    }
    #expect(plan.notes.contains { $0.contains("4 matrices are q8_0") && $0.contains("quantised again") }, "\(plan.notes)")
  }

  @Test("merging comes before a cut: what stays is what the merged model has there")
  func cut() throws {
    let folder = try SmallModels.folder()
    let source = try ModelSource.open(path: folder.path)
    let adapter = try Self.adapter(in: folder)
    let cut = ModelImport.Cut(
      keepLayers: [0, 2, 3], keepHeads: [2: [0, 2]], keepNeurons: [2: Array(stride(from: 3, to: 172, by: 5))],
      keepChannels: Array(0..<64).filter { $0 % 9 != 0 }, method: "test")
    let both = try Self.write(ModelImport(source, cut: cut, merging: adapter), "both.hoof", in: folder)
    let merged = try Self.write(ModelImport(source, merging: adapter), "merged.hoof", in: folder)
    let after = try Self.write(ModelImport(merged, cut: cut), "after.hoof", in: folder)
    #expect(both.config == after.config && both.history.compactMap { $0["method"]?.string } == ["merge-adapter", "test"])
    for (name, tensor) in after.tensors { #expect(both.tensors[name]?.bytes.elementsEqual(tensor.bytes) == true, "\(name)") }
  }

  @Test("NaN in an adapter and one that does not fit are refused before a file appears")
  func refusals() throws {
    let folder = try SmallModels.folder()
    let source = try ModelSource.open(path: folder.path)
    let adapter = try Self.adapter(in: folder)
    var bytes = try folder.read("lora/adapter_model.safetensors")
    bytes.replaceSubrange(bytes.count - 4..<bytes.count, with: [0, 0, 0xc0, 0x7f])
    try folder.write("lora/adapter_model.safetensors", bytes)
    let damaged = try AdapterFile.open(folder.file("lora"), for: source.config)
    let error = #expect(throws: FormatError.self) { try ModelImport(source, merging: damaged).write(to: folder.file("x.hoof"), threads: 1) }
    #expect(error?.description.contains("holds NaN or infinite values") == true && !TestFiles.exists(folder.file("x.hoof")))
    var small = SmallModels.config
    small.hiddenSize = 32
    let other = try SmallModels.folder(small)
    let misfit = #expect(throws: FormatError.self) { try ModelImport(ModelSource.open(path: other.path), merging: adapter) }
    #expect(misfit?.description.contains("base and adapter do not fit") == true)
  }
}

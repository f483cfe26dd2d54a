import BackendCPU
import Evaluation
import Formats
@testable import Surgery
import TensorCore
import TestSupport
import Testing
import Tokenization
import Transformer

/// SliceGPT: a sliced model has to be the whole model with its residual stream projected, no more and no less.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct SliceTests {
  /// Sums of some hundred products in another basis: each rounds differently, and a model's layers add up.
  static let tolerance = 1e-5

  @Test("a slice that takes nothing off changes nothing", arguments: ReferenceModels.names)
  func nothing(name: String) throws {
    let config = try ModelSource.open(path: SharedData.path("models/\(name)")).config
    let sliced = try Sliced(name, width: try SliceGPT.width(of: config, ratio: 0))
    let (whole, model) = (try Sliced.logits(sliced.whole), try Sliced.logits(sliced.model))
    #expect(zip(model, whole).allSatisfy { abs($0 - $1) < 1e-4 } && model.count == whole.count)
    #expect(sliced.slice.places.count == 2 * config.layers.count + 1)
    #expect(sliced.slice.places.allSatisfy { $0.captured > 1 - 1e-6 })
    let ids = Array(try Sliced.prompts(name).joined())
    let before = try Perplexity(sliced.whole, text: ids, .init(.windows, window: 128, bos: nil))
    let after = try Perplexity(sliced.model, text: ids, .init(.windows, window: 128, bos: nil))
    #expect(relativeError(after.perplexity, before.perplexity) < 1e-4)
    #expect(!sliced.model.config.tiedEmbeddings && sliced.model.head.rows == config.vocabularySize)
  }

  @Test(
    "a sliced model gives the logits of the whole one with its residual stream projected",
    arguments: [("stories260K", 32), ("stories260K", 63), ("talespin-tiny", 96), ("talespin-15m", 288)])
  func projection(name: String, width: Int) throws {
    let sliced = try Sliced(name, width: width)
    #expect(sliced.model.config.hiddenSize == width && sliced.model.embedding.columns == width)
    let logits = try Sliced.logits(sliced.model)
    #expect(departure(logits, try sliced.projectedLogits()) < Self.tolerance)
    // The projection does something.
    #expect(departure(logits, try Sliced.logits(sliced.whole)) > 1e-3)
  }

  @Test("other cuts go first: layers, sublayers, heads and neurons")
  func afterOtherCuts() throws {
    let cut = ModelImport.Cut(
      keepLayers: [0, 1, 3, 4], keepHeads: [1: [], 3: [0, 1, 4, 5]], keepNeurons: [0: Array(0..<100), 4: []], method: "test")
    let sliced = try Sliced("stories260K", width: 48, cut: cut)
    #expect(sliced.slice.places.map(\.part) == [.attention, .mlp, .mlp, .attention, .mlp, .attention, .head])
    #expect(sliced.slice.places.map(\.layer) == [0, 0, 1, 2, 2, 3, 4])
    #expect(departure(try Sliced.logits(sliced.model), try sliced.projectedLogits()) < Self.tolerance)
    #expect(!sliced.model.config.layers[1].attentionShortcut && !sliced.model.config.layers[3].mlpShortcut)
  }

  /// Patches everywhere, one of them behind the last layer.
  private static func patched(final: Bool) -> ModelImport.Cut {
    let diagonal = (0..<64).map { 1 + Float($0 % 5) / 20 }
    let mixing: RowMaker = { rows in
      rows.flatMap { row in (0..<64).map { column -> Float in column == row ? 0.9 : Float((column * 7 + row * 3) % 11 - 5) / 100 } }
    }
    var patches: [Int: ModelImport.Cut.Patch] = [0: .diagonal(diagonal), 2: .linear(mixing), 3: .diagonal(diagonal)]
    if final { patches[5] = .linear(mixing) }
    return ModelImport.Cut(keepLayers: Array(0..<5), keepHeads: [2: []], patches: patches, method: "test")
  }

  @Test("patches are folded into the matrices around them")
  func patches() throws {
    let nothing = try Sliced("stories260K", width: 64, cut: Self.patched(final: true))
    #expect(departure(try Sliced.logits(nothing.model), try Sliced.logits(nothing.whole)) < Self.tolerance)
    #expect(nothing.model.config.finalPatch == nil && nothing.model.config.layers.allSatisfy { $0.patch == nil })
    let sliced = try Sliced("stories260K", width: 40, cut: Self.patched(final: false))
    #expect(departure(try Sliced.logits(sliced.model), try sliced.projectedLogits()) < Self.tolerance)
  }

  @Test("a sliced model can be written, cut, and sliced again")
  func again() throws {
    let folder = try TemporaryFolder()
    let first = try Sliced("stories260K", width: 56)
    let plan = try ModelImport(first.source, matrixType: .f32, rebuilt: first.slice.rebuilt)
    try plan.write(to: folder.file("first.hoof"), threads: 2)
    let source = try ModelSource.open(path: folder.file("first.hoof"))
    #expect(source.config == first.slice.config)
    let opened = try Llama(source, on: first.whole.backend)
    #expect(try Sliced.logits(opened) == Sliced.logits(first.model))

    let prompts = try Sliced.prompts("stories260K")
    let nothing = try Sliced(source, width: 56, prompts: prompts, on: first.whole.backend)
    #expect(departure(try Sliced.logits(nothing.model), try Sliced.logits(opened)) < Self.tolerance)
    // The shortcuts of what goes stay on the stream.
    let cut = ModelImport.Cut(keepLayers: [0, 1, 3, 4], keepHeads: [3: []], method: "test")
    let second = try Sliced(source, width: 32, cut: cut, prompts: prompts, on: first.whole.backend)
    #expect(departure(try Sliced.logits(second.model), try second.projectedLogits()) < Self.tolerance)
  }

  @Test("bases are orthonormal, and a narrower slice keeps less")
  func bases() throws {
    var before: [Double]?
    for width in [64, 48, 32, 16] {
      let slice = try Sliced("stories260K", width: width).slice
      for place in slice.places.indices {
        let rows = try slice.bases(place).floats()
        for i in 0..<width {
          for j in 0...i {
            let dot = (0..<64).reduce(0.0) { $0 + Double(rows[i * 64 + $1]) * Double(rows[j * 64 + $1]) }
            // Stored as float.
            #expect(abs(dot - (i == j ? 1 : 0)) < 1e-6)
          }
        }
      }
      let captured = slice.places.map(\.captured)
      #expect(captured.allSatisfy { $0 > 0.3 && $0 <= 1 })
      if let before { #expect(zip(captured, before).allSatisfy { $0 < $1 }) }
      before = captured
    }
  }

  @Test("quantised files of a sliced model", arguments: [(DType.q8_0, 0.02), (DType.q4_K, 0.25)])
  func quantised(type: DType, limit: Double) throws {
    let folder = try TemporaryFolder()
    let sliced = try Sliced("talespin-15m", width: 256)
    let plan = try ModelImport(sliced.source, matrixType: type, rebuilt: sliced.slice.rebuilt)
    #expect(plan.items.first { $0.name == TensorName.layer(3, .query) }?.dtype == type)
    // The stream passes through every shortcut.
    #expect(plan.items.first { $0.name == TensorName.layer(3, .mlpShortcut) }?.dtype == .f16)
    try plan.write(to: folder.file("small.hoof"), threads: 2)
    let model = try Llama(ModelSource.open(path: folder.file("small.hoof")), on: sliced.whole.backend)
    #expect(try Sliced.logits(model) == Sliced.logits(Llama(plan, on: sliced.whole.backend)))
    let ids = Array(try Sliced.prompts("talespin-15m").joined())
    let exact = try Perplexity(sliced.model, text: ids, .init(.windows, window: 128, bos: nil))
    let rounded = try Perplexity(model, text: ids, .init(.windows, window: 128, bos: nil))
    // What the type's rounding costs this undertrained model: half a percent for 8 bits, some percent for 4.
    #expect(relativeError(rounded.perplexity, exact.perplexity) < limit)
  }

  @Test("slicing on a backend with bf16 activations")
  func mixedPrecision() throws {
    let exact = try Sliced("stories260K", width: 64)
    let rounded = try Sliced("stories260K", width: 64, on: MixedPrecisionBackend(CPUBackend()))
    // Weights and what flows have 8 bits; rotated weights are rounded anew.
    #expect(departure(try Sliced.logits(rounded.model), try Sliced.logits(exact.whole)) < 0.05)
    let projected = try Sliced("stories260K", width: 48, on: MixedPrecisionBackend(CPUBackend()))
    #expect(departure(try Sliced.logits(projected.model), try projected.projectedLogits()) < 0.05)
  }

  @Test("the same model, texts and width give the same bits")
  func deterministic() throws {
    let (a, b) = (try Sliced("talespin-tiny", width: 96), try Sliced("talespin-tiny", width: 96))
    #expect(a.slice.places == b.slice.places)
    #expect(try Sliced.logits(a.model) == Sliced.logits(b.model))
  }

  @Test("widths are rounded down to a multiple")
  func widths() throws {
    var config = RandomModel.tiny
    for (size, ratio, multiple, expected) in [
      (4096, 0.2, 8, 3272), (4096, 0.25, 32, 3072), (384, 0.1, 32, 320), (384, 0.3, 8, 264), (320, 0.1, 32, 288), (72, 0.0, 32, 72),
    ] {
      config.hiddenSize = size
      #expect(try SliceGPT.width(of: config, ratio: ratio, multiple: multiple) == expected)
    }
    config.hiddenSize = 64
    #expect(throws: SliceError.nothingLeft(ratio: 0.6, hiddenSize: 64, multiple: 32)) { try SliceGPT.width(of: config, ratio: 0.6) }
    for ratio in [1, -0.1, Double.nan] {
      #expect { try SliceGPT.width(of: config, ratio: ratio) } throws: { "\($0)".contains("at least 0 and below 1") }
    }
  }

  @Test("a stream that overflows is named, and little calibration is noted")
  func badStreams() throws {
    let huge = ModelImport.Cut(
      keepLayers: Array(0..<5), patches: [2: .diagonal([Float](repeating: 1e30, count: 64))], method: "test")
    #expect(throws: SliceError.notFinite(layer: 2, part: .attention)) { try Sliced("stories260K", width: 32, cut: huge) }
    let slice = try Sliced("stories260K", width: 32).slice
    #expect(!slice.notes.contains { $0.contains("calibration") })
    let hasty = try SliceGPT(slice.model, prompts: [[1, 2, 3], [4]], width: 60)
    #expect(hasty.notes.count == 2 && hasty.notes[0].contains("4 tokens") && hasty.notes[1].contains("parameters"))
  }

  @Test("what the monitor throws stops the work, and it sees every place")
  func monitor() throws {
    struct Stop: Error {}
    let whole = try ReferenceModels.open("stories260K", on: CPUBackend())
    #expect(throws: Stop.self) { try SliceGPT(whole, prompts: [[1, 2, 3]], width: 32) { done, _ in if done == 3 { throw Stop() } } }
    var seen: [Int] = []
    _ = try SliceGPT(whole, prompts: [[1, 2, 3]], width: 32) { done, total in
      seen.append(done)
      #expect(total == 11)
    }
    #expect(seen == Array(1...11))
  }
}

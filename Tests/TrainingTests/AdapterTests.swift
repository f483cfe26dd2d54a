import BackendCPU
import BackendCUDA
import Formats
import TensorCore
import TensorTesting
import TestSupport
import Testing
import Training
import Transformer

/// What an adapter promises beyond PEFT's numbers, on random models.
struct AdapterTests {
  let batch = Batch(SmallModel.sequences)
  static let options = Adapter.Options(rank: 3, alpha: 6)
  static let dropping = Adapter.Options(rank: 3, alpha: 6, dropout: 0.3)

  @Test("gradients are what the loss says when A and B move, with and without dropout", arguments: [options, dropping])
  func finiteDifferences(options: Adapter.Options) throws {
    let small = try SmallModel(on: ReferenceBackend())
    try small.scramble()
    let model = small.model
    let adapter = try Adapter(for: model, options: options, seed: 1)
    try adapter.scramble()
    // Of one batch what is dropped is a constant.
    let stream = DropoutStream(seed: 9, step: 4, batch: 2)
    let gradients = try adapter.gradients(batch, model, dropout: stream).gradients
    var random = RandomGenerator(seed: 3)
    for (parameter, tensor) in zip(adapter.parameters, gradients) {
      let weights = try parameter.tensor.floats()
      let gradient = try tensor.floats().map(Double.init)
      let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
      #expect(norm > 1e-3, "\(parameter.name): nothing to compare")
      // Half along the gradient, where a wrong scale shows, half anywhere, where a wrong direction does.
      let direction = gradient.map { $0 / norm + Double(random.unit()) / Double(gradient.count).squareRoot() }
      func loss(_ step: Double) throws -> Double {
        try parameter.tensor.upload(zip(weights, direction).map { Float(Double($0) + step * $1) })
        return try batch.differentiate(model, into: Gradients(of: []), adapter: adapter, dropout: stream) / Double(batch.scored)
      }
      let h = 0x1p-7
      let difference = try (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h)
      try parameter.tensor.upload(weights)
      let formula = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
      // Losses are stored in f32: 2⁻²³ of a loss of 6 over the step leaves about 1e-5, of a gradient of 0.01 and more.
      #expect(abs(difference - formula) < 1e-3 * norm + 2e-5, "\(parameter.name): \(formula), differences say \(difference)")
    }
  }

  @Test("the base's own gradients and the input's go through both ways of a product")
  func base() throws {
    // With W + scale·B·A in W's place, a gradient of W and of everything below is the same.
    let small = try SmallModel(on: CPUBackend())
    try small.scramble()
    let model = small.model
    let adapter = try Adapter(for: model, options: Self.options, seed: 1)
    try adapter.scramble()
    let beside = Gradients(of: model.parameters.map(\.tensor))
    let loss = try batch.differentiate(model, into: beside, adapter: adapter)
    for pair in try adapter.matrices() {
      let weight = try #require(model.parameters.first { $0.name == TensorName.layer(pair.layer, pair.part) }).tensor
      var sum = try weight.floats()
      for row in 0..<weight.rows {
        for column in 0..<weight.columns {
          var update: Float = 0
          for k in 0..<3 { update += pair.b[row * 3 + k] * pair.a[k * weight.columns + column] }
          sum[row * weight.columns + column] += 2 * update
        }
      }
      try weight.upload(sum)
    }
    let merged = Gradients(of: model.parameters.map(\.tensor))
    #expect(abs(try batch.differentiate(model, into: merged) / loss - 1) < 1e-6)
    // Activations differ by the rounding of sums in another order, and gradients by what the layers make of it.
    for parameter in model.parameters {
      let error = try difference(beside[parameter.tensor], merged[parameter.tensor])
      #expect(error < 5e-5, "\(parameter.name): \(error)")
    }
  }

  @Test("a new adapter changes nothing, starts within PEFT's bounds, and only its seed decides how")
  func start() throws {
    let small = try SmallModel(on: CPUBackend())
    let model = small.model
    let adapter = try Adapter(for: model, options: Self.options, seed: 1)
    #expect(try model.logits(batch, with: adapter) == model.logits(batch, with: nil))
    let (same, other) = (try Adapter(for: model, options: Self.options, seed: 1), try Adapter(for: model, options: Self.options, seed: 2))
    for (index, pair) in try adapter.matrices().enumerated() {
      let bound: Double = 1 / Double(pair.a.count / 3).squareRoot()
      let squares: Double = pair.a.reduce(0.0) { $0 + Double($1) * Double($1) }
      let variance: Double = squares / Double(pair.a.count)
      // Uniform: a third of the bound's square. 192 numbers and more give it to within a tenth or so.
      let third: Double = bound * bound / 3
      #expect(pair.a.allSatisfy { abs(Double($0)) <= bound })
      #expect(abs(variance / third - 1) < 0.3)
      #expect(pair.b.allSatisfy { $0 == 0 })
      #expect(try pair.a == same.matrices()[index].a && pair.a != other.matrices()[index].a)
    }
  }

  @Test("alpha/r, or alpha/√r when rank-stabilised, is what the update is multiplied with")
  func scales() throws {
    let small = try SmallModel(on: CPUBackend())
    let model = small.model
    func logits(rank: Int, alpha: Double, stabilized: Bool) throws -> [Float] {
      let adapter = try Adapter(for: model, options: .init(rank: rank, alpha: alpha, rankStabilized: stabilized), seed: 1)
      try adapter.scramble()
      return try model.logits(batch, with: adapter)
    }
    // Powers of two: the same bits.
    #expect(try logits(rank: 4, alpha: 8, stabilized: false) == logits(rank: 4, alpha: 4, stabilized: true))
    #expect(try logits(rank: 4, alpha: 8, stabilized: false) != logits(rank: 4, alpha: 8, stabilized: true))
  }

  @Test("checkpointed layers give the same gradients to the last bit, dropped values included", arguments: [options, dropping])
  func checkpointing(options: Adapter.Options) throws {
    for backend in [CPUBackend(), MixedPrecisionBackend(CPUBackend())] as [any ComputeBackend] {
      let small = try SmallModel(on: backend)
      try small.scramble()
      let adapter = try Adapter(for: small.model, options: options, seed: 1)
      try adapter.scramble()
      let stream = DropoutStream(seed: 9, step: 4, batch: 2)
      let plain = try adapter.gradients(batch, small.model, dropout: stream)
      let checkpointed = try adapter.gradients(batch, small.model, checkpointed: true, dropout: stream)
      #expect(plain.loss == checkpointed.loss)
      #expect(try zip(plain.gradients, checkpointed.gradients).allSatisfy { try $0.floats() == $1.floats() })
    }
  }

  @Test("what is dropped depends on seed, step and batch, and on nothing without a stream")
  func dropout() throws {
    let small = try SmallModel(on: CPUBackend())
    try small.scramble()
    let model = small.model
    let adapter = try Adapter(for: model, options: Self.dropping, seed: 1)
    try adapter.scramble()
    func loss(_ stream: DropoutStream?) throws -> Double {
      try batch.differentiate(model, into: Gradients(of: []), adapter: adapter, dropout: stream)
    }
    let streams = [
      DropoutStream(seed: 1, step: 1, batch: 0), DropoutStream(seed: 2, step: 1, batch: 0), DropoutStream(seed: 1, step: 2, batch: 0),
      DropoutStream(seed: 1, step: 1, batch: 1), DropoutStream(seed: 1, step: 0, batch: 1), nil,
    ]
    let losses = try streams.map(loss)
    #expect(Set(losses).count == streams.count)
    #expect(try streams.map(loss) == losses)
    let plain = try Adapter(for: model, options: Self.options, seed: 1)
    try plain.scramble()
    #expect(try model.logits(batch, with: plain) == model.logits(batch, with: adapter))
  }

  @Test("over a quantised base gradients are those over the values it stands for", arguments: [DType.f16, .bf16, .q8_0, .q4_K])
  func quantised(type: DType) throws {
    let small = try SmallModel(on: CPUBackend(), matrixType: type, config: .wide)
    let wide = try SmallModel(on: Widened(CPUBackend()), matrixType: type, config: .wide)
    #expect(small.model.layers[0].mlp!.down.dtype == type && wide.model.layers[0].mlp!.down.dtype == .f32)
    var found: [(loss: Double, gradients: [Tensor])] = []
    for model in [small.model, wide.model] {
      let adapter = try Adapter(for: model, options: Self.options, seed: 1)
      try adapter.scramble()
      found.append(try adapter.gradients(batch, model))
    }
    #expect(abs(found[0].loss / found[1].loss - 1) < 1e-6)
    // The same values in products that sum in another order; few-row byte products are exact to 23 bits.
    for (a, b) in zip(found[0].gradients, found[1].gradients) { #expect(try difference(a, b) < 1e-4) }
  }

  @Test(
    "the CUDA kernels give the CPU's gradients", .enabled(if: EmulatorLibrary.isHere, "\(EmulatorLibrary.absent)"),
    arguments: [Precision.f32, .bf16])
  func emulated(precision: Precision) throws {
    let device = try EmulatorLibrary.open { try CUDABackend(.init(precision: precision), driver: $0) }
    var found: [(loss: Double, gradients: [Tensor])] = []
    for backend in [precision == .bf16 ? MixedPrecisionBackend(CPUBackend()) : CPUBackend(), device] as [any ComputeBackend] {
      let small = try SmallModel(on: backend)
      try small.scramble()
      let adapter = try Adapter(for: small.model, options: Self.dropping, seed: 1)
      try adapter.scramble()
      #expect(adapter.parameters.allSatisfy { ($0.master == nil) == (precision == .f32) })
      found.append(try adapter.gradients(batch, small.model, dropout: DropoutStream(seed: 1, step: 1, batch: 0)))
    }
    #expect(abs(found[1].loss / found[0].loss - 1) < (precision == .f32 ? 1e-5 : 1e-3))
    // f32: sums in another order. bf16: what is rounded differs a little, as in DeviceTapeTests.
    let worst = try zip(found[1].gradients, found[0].gradients).map { try difference($0, $1) }.max() ?? 1
    #expect(worst < (precision == .f32 ? 1e-4 : 0.06), "\(worst)")
  }

  @Test("saved and read again it is the same adapter; merged into the weights it is the same model")
  func saving() throws {
    let small = try SmallModel(on: CPUBackend())
    let adapter = try Adapter(for: small.model, options: .init(rank: 3, alpha: 5, targets: [.query, .value, .down]), seed: 1)
    #expect(adapter.parameters.count == 3 * 2 * 3)
    try adapter.scramble()
    let folder = small.folder.file("adapter")
    try adapter.write(to: folder, for: small.source)
    let file = try AdapterFile.open(folder, for: small.model.config)
    try file.check(isFor: small.source)
    let logits = try small.model.logits(batch, with: adapter)
    #expect(try small.model.logits(batch, with: Adapter(file, for: small.model)) == logits)
    let merged = try Llama(ModelImport(small.source, merging: file), on: CPUBackend())
    // Two ways of f32: x·(W + scale·B·A) and x·W + scale·(x·A)·B.
    #expect(zip(try merged.logits(batch, with: nil), logits).allSatisfy { abs($0 - $1) < 1e-5 })
    #expect(zip(try small.model.logits(batch, with: nil), logits).contains { abs($0 - $1) > 1e-2 }, "the adapter does nothing")
  }

  @Test("a cut model has pairs where it has weights")
  func cutModel() throws {
    let small = try SmallModel(on: CPUBackend())
    let path = small.folder.file("cut.hoof")
    let cut = ModelImport.Cut(keepLayers: [0, 2], keepHeads: [0: []], keepNeurons: [2: Array(0..<40)], method: "test")
    try ModelImport(small.source, cut: cut).write(to: path, threads: 1)
    let source = try ModelSource.open(path: path)
    let model = try Llama(source, on: CPUBackend())
    let adapter = try Adapter(for: model, options: Self.options, seed: 1)
    #expect(adapter.parameters.count == 2 * (3 + 7) && !adapter.parameters.contains { $0.name.contains("layers.0.self_attn") })
    try adapter.write(to: small.folder.file("adapter"), for: source)
    _ = try Adapter(AdapterFile.open(small.folder.file("adapter"), for: model.config), for: model)
    let refusal = #expect(throws: FormatError.self) { try AdapterFile.open(small.folder.file("adapter"), for: small.model.config) }
    #expect(refusal?.description.contains("base and adapter do not fit") == true)
  }
}

import BackendCPU
import TensorCore
import TensorTesting
import TestSupport
import Testing
import Training
import Transformer

/// What the tape promises beyond PyTorch's numbers, on a random model.
struct TapeTests {
  let batch = Batch(SmallModel.sequences)

  @Test("gradients are what the loss says when weights move, tied or not", arguments: [true, false])
  func finiteDifferences(tied: Bool) throws {
    let small = try SmallModel(on: ReferenceBackend(), tied: tied)
    try small.scramble()
    let model = small.model
    let gradients = Gradients(of: model.parameters.map(\.tensor))
    try batch.differentiate(model, into: gradients)
    var random = RandomGenerator(seed: 3)
    for parameter in model.parameters {
      let weights = try parameter.tensor.floats()
      let gradient = try #require(gradients[parameter.tensor]).floats().map(Double.init)
      let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
      #expect(norm > 1e-3, "\(parameter.name): nothing to compare")
      // Half along the gradient, where a wrong scale shows, half anywhere, where a wrong direction does.
      let noise = gradient.map { _ in Double(random.unit()) / Double(gradient.count).squareRoot() }
      let direction = zip(gradient, noise).map { $0 / norm + $1 }
      func loss(_ step: Double) throws -> Double {
        try parameter.tensor.upload(zip(weights, direction).map { Float(Double($0) + step * $1) })
        return try batch.differentiate(model, into: Gradients(of: [])) / Double(batch.scored)
      }
      let h = 0x1p-7
      let difference = try (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h)
      try parameter.tensor.upload(weights)
      let formula = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
      // Losses are stored in f32: 2⁻²³ of a loss of 6 over the step leaves about 1e-5, of a gradient of 0.01 and more.
      #expect(abs(difference - formula) < 1e-3 * norm + 2e-5, "\(parameter.name): \(formula), differences say \(difference)")
    }
  }

  @Test("sequences packed together have the sum of their gradients")
  func packing() throws {
    let small = try SmallModel(on: CPUBackend())
    try small.scramble()
    let parameters = small.model.parameters
    let (packed, single) = (Gradients(of: parameters.map(\.tensor)), Gradients(of: parameters.map(\.tensor)))
    let loss = try batch.differentiate(small.model, into: packed, scale: 1)
    var sum = 0.0
    for sequence in batch.sequences { sum += try Batch([sequence]).differentiate(small.model, into: single, scale: 1) }
    #expect(abs(sum / loss - 1) < 1e-6)
    // f32 sums in another order.
    for parameter in parameters { #expect(try difference(packed[parameter.tensor], single[parameter.tensor]) < 1e-5, "\(parameter.name)") }
  }

  @Test(
    "only what is asked for has a gradient, the same as when all are asked for",
    arguments: ["layers.1.", "embed", "layers.2.mlp.down", "norm"])
  func frozen(wanted: String) throws {
    let small = try SmallModel(on: CPUBackend())
    let model = small.model
    let chosen = model.parameters.filter { $0.name.contains(wanted) }
    #expect(!chosen.isEmpty)
    let (all, some) = (Gradients(of: model.parameters.map(\.tensor)), Gradients(of: chosen.map(\.tensor)))
    try batch.differentiate(model, into: all)
    try batch.differentiate(model, into: some)
    for parameter in model.parameters {
      let isChosen = chosen.contains { $0.name == parameter.name }
      #expect((some[parameter.tensor] != nil) == isChosen)
      if isChosen { #expect(try some[parameter.tensor]!.floats() == all[parameter.tensor]!.floats(), "\(parameter.name)") }
    }
  }

  @Test("frozen parts record nothing")
  func recording() throws {
    let small = try SmallModel(on: CPUBackend())
    let model = small.model
    let layout = try PackedLayout(lengths: batch.sequences.map(\.count), on: model.backend)
    let ids = try Tensor(Array(batch.sequences.joined()), on: model.backend)
    var recorded: [Int: Bool] = [:]
    let tape = Tape(into: Gradients(of: [model.layers[1].mlp!.down]), at: [.residualOut]) { _, site, x in
      recorded[site.layer] = x.isRecorded
      return x
    }
    _ = try model.hidden(ids, layout, in: tape)
    #expect(recorded == [0: false, 1: true, 2: true])
  }

  @Test("checkpointed layers give the same gradients to the last bit in less memory, and nothing stays behind")
  func checkpointing() throws {
    let small = try SmallModel(on: CPUBackend())
    let model = small.model
    let memory = try #require(model.backend as? OwnMemory)
    let long = Batch((0..<4).map { row in (0..<100).map { Int32(($0 * 37 + row * 11) % 512) } })
    func run(checkpointed: Bool) throws -> (gradients: [[Float]], most: Int) {
      let gradients = Gradients(of: model.parameters.map(\.tensor))
      let before = memory.bytesInUse
      memory.resetMost()
      try long.differentiate(model, into: gradients, checkpointed: checkpointed)
      let kept = model.parameters.reduce(0) { $0 + (gradients[$1.tensor]?.byteCount ?? 0) }
      #expect(memory.bytesInUse == before + kept)
      return (try model.parameters.map { try gradients[$0.tensor]!.floats() }, memory.mostBytes - before - kept)
    }
    let (plain, checkpointed) = (try run(checkpointed: false), try run(checkpointed: true))
    #expect(plain.gradients == checkpointed.gradients)
    // Of three layers' activations one layer's and three residual streams remain.
    #expect(Double(checkpointed.most) < 0.6 * Double(plain.most), "\(checkpointed.most) of \(plain.most) bytes")
  }

  @Test("backward frees activations on its way: its own memory is a few tensors")
  func freeing() throws {
    let small = try SmallModel(on: CPUBackend())
    let model = small.model
    let memory = try #require(model.backend as? OwnMemory)
    let layout = try PackedLayout(lengths: [400], on: model.backend)
    let ids = try Tensor((0..<400).map { Int32($0) }, on: model.backend)
    let tape = Tape(into: Gradients(of: []))
    let out = try model.run(tape.input(model.embed(ids, in: Eager())), layout, layers: 0..<3, in: tape)
    let dOut = try out.tensor.like()
    model.backend.fill(dOut, with: 1)
    let before = memory.bytesInUse
    memory.resetMost()
    try tape.seed(out, with: dOut)
    try tape.backward()
    // Two gradients and one scratch of the widest, [400, 128].
    #expect(memory.mostBytes - before <= 4 * 400 * 128 * 4, "\((memory.mostBytes - before) / (400 * 128 * 4)) of the widest tensors")
    #expect(memory.bytesInUse < before)
  }

  @Test("gradients of weights are summed over passes until they are cleared")
  func accumulation() throws {
    let small = try SmallModel(on: CPUBackend())
    let parameters = small.model.parameters.map(\.tensor)
    let (once, twice) = (Gradients(of: parameters), Gradients(of: parameters))
    try batch.differentiate(small.model, into: once)
    try batch.differentiate(small.model, into: twice)
    try batch.differentiate(small.model, into: twice)
    #expect(abs(try twice.norm() / once.norm() - 2) < 1e-5)
    twice.clear()
    try batch.differentiate(small.model, into: twice)
    #expect(try parameters.allSatisfy { try once[$0]!.floats() == twice[$0]!.floats() })
  }

  @Test("products with quantised weights hand gradients through", arguments: [DType.f16, .bf16, .q8_0])
  func quantised(type: DType) throws {
    let small = try SmallModel(on: CPUBackend(), matrixType: type)
    let wide = try SmallModel(on: Widened(CPUBackend()), matrixType: type)
    #expect(small.model.layers[0].mlp!.gate.dtype == type && wide.model.layers[0].mlp!.gate.dtype == .f32)
    let (narrow, full) = (small.model.parameters, wide.model.parameters)
    let (found, expected) = (Gradients(of: narrow.map(\.tensor)), Gradients(of: full.map(\.tensor)))
    try batch.differentiate(small.model, into: found)
    try batch.differentiate(wide.model, into: expected)
    // The same values in products that sum in another order; few-row byte products are exact to 23 bits.
    for (a, b) in zip(narrow, full) { #expect(try difference(found[a.tensor], expected[b.tensor]) < 1e-4, "\(a.name)") }
  }
}

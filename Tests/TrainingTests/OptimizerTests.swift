import BackendCPU
import TensorCore
import TestSupport
import Testing
import Training

/// What the optimizer does beside AdamW's arithmetic.
struct OptimizerTests {
  let backend = CPUBackend()
  let batch = Batch(SmallModel.sequences)

  /// Steps on the same batch; what is not in `trained` is frozen.
  private func run(
    _ small: SmallModel, _ optimizer: Optimizer, steps: Range<Int>, scale: Double = 1
  ) throws {
    let gradients = Gradients(of: optimizer.parameters.map(\.tensor))
    for step in steps {
      gradients.clear()
      try batch.differentiate(small.model, into: gradients)
      optimizer.step(gradients, rate: 1e-3, scale: scale, step: step, seed: UInt64(step))
    }
  }

  private func parameters(_ small: SmallModel) -> [TrainedParameter] {
    small.model.parameters.map { TrainedParameter(name: $0.name, tensor: $0.tensor) }
  }

  @Test("decay shrinks matrices by rate · decay · weight, and no norm's weights")
  func decay() throws {
    let (plain, decayed) = (try SmallModel(on: backend), try SmallModel(on: backend))
    let before = try plain.model.parameters.map { try $0.tensor.floats() }
    try run(plain, Optimizer(parameters(plain), options: .init()), steps: 1..<2)
    try run(decayed, Optimizer(parameters(decayed), options: .init(decay: 0.1)), steps: 1..<2)
    for ((a, b), old) in zip(zip(plain.model.parameters, decayed.model.parameters), before) {
      let (a, b, isMatrix) = (try a.tensor.floats(), try b.tensor.floats(), a.tensor.rows > 1)
      // Weights of 0.02 and less, and the step of 1e-3, are rounded to f32.
      for i in a.indices { #expect(abs(a[i] - b[i] - (isMatrix ? 1e-3 * 0.1 * old[i] : 0)) < 1e-8) }
    }
  }

  @Test("masters move as f32 weights do, and tensors are their roundings", arguments: [DType.bf16, .f16])
  func masters(type: DType) throws {
    let shape = (rows: 3, columns: 67)
    let values = (0..<201).map { Float($0 % 23) / 16 - 0.7 }
    func tensor(_ values: [Float]) throws -> Tensor { try Tensor(values, rows: shape.rows, columns: shape.columns, on: backend) }
    let (exact, master) = (try tensor(values), try tensor(values))
    let rounded = try master.copied(as: type)
    let (a, b) = (
      try Optimizer([TrainedParameter(name: "w", tensor: exact)], options: .init()),
      try Optimizer([TrainedParameter(name: "w", tensor: rounded, master: master)], options: .init())
    )
    for step in 1...5 {
      let (x, y) = (Gradients(of: [exact]), Gradients(of: [rounded]))
      try x.add(tensor((0..<201).map { Float(($0 * step) % 7 - 3) / 4 }), to: exact)
      try y.add(tensor((0..<201).map { Float(($0 * step) % 7 - 3) / 4 }), to: rounded)
      a.step(x, rate: 1e-3, step: step, seed: 1)
      b.step(y, rate: 1e-3, step: step, seed: 1)
    }
    #expect(try master.floats() == exact.floats())
    #expect(try rounded.floats() == master.copied(as: type).floats())
    #expect(b.state.map(\.name) == ["w", "w.first", "w.second"] && b.state[0].tensor.dtype == .f32)
    backend.fill(master, with: 0.3)
    b.roundMasters()
    #expect(try rounded.floats() == master.copied(as: type).floats())
  }

  @Test("a run goes on from its state to the last bit")
  func resumed() throws {
    let (whole, first, second) = (try SmallModel(on: backend), try SmallModel(on: backend), try SmallModel(on: backend))
    let options = Optimizer.Options(decay: 0.01)
    try run(whole, Optimizer(parameters(whole), options: options), steps: 1..<6)
    let (saved, restored) = (
      try Optimizer(parameters(first), options: options), try Optimizer(parameters(second), options: options)
    )
    try run(first, saved, steps: 1..<4)
    for (a, b) in zip(saved.state, restored.state) {
      #expect(a.name == b.name)
      try b.tensor.upload(a.tensor.bytes())
    }
    restored.roundMasters()
    try run(second, restored, steps: 4..<6)
    for (a, b) in zip(whole.model.parameters, second.model.parameters) { #expect(try a.tensor.bytes() == b.tensor.bytes(), "\(a.name)") }
  }

  @Test("gradients are scaled as clipping asks for, and what has none stays as it is")
  func scaled() throws {
    let (w, frozen) = (try Tensor([1, -2, 3], rows: 1, columns: 3, on: backend), try Tensor([4], rows: 1, columns: 1, on: backend))
    let optimizer = try Optimizer(
      [TrainedParameter(name: "w", tensor: w), TrainedParameter(name: "frozen", tensor: frozen)], options: .init(epsilon: 0.5))
    let gradients = Gradients(of: [w, frozen])
    try gradients.add(Tensor([4, 0, -4], rows: 1, columns: 3, on: backend), to: w)
    optimizer.step(gradients, rate: 0.1, scale: 0.25, step: 1, seed: 0)
    // The first step: g / (|g| + epsilon) with g = ±1.
    let step = Float(0.1 / 1.5)
    for (found, expected) in zip(try w.floats(), [1 - step, -2, 3 + step]) { #expect(abs(found - expected) < 1e-6) }
    #expect(try frozen.floats() == [4])
    #expect(try gradients.norms() == [32.squareRoot(), 0] && gradients.norm() == 32.squareRoot())
  }
}

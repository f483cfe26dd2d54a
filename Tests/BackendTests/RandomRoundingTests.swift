import BackendCPU
import TensorCore
import TensorTesting
import Testing

/// What dropout and stochastic rounding promise beyond what backends agree on.
@Suite struct RandomRoundingTests {
  let backend = CPUBackend(threads: 2)

  @Test("bits are a function of seed and element, evenly spread, and different for another seed")
  func hash() {
    let hash = CounterHash(seed: 1)
    let count = 1 << 16
    // Each bit of the word is set in half of the elements: the deviation of a fair coin is √n/2 = 128.
    for bit in 0..<32 {
      let ones = (0..<count).count { hash.bits($0) >> UInt32(bit) & 1 == 1 }
      #expect(abs(ones - count / 2) < 5 * 128, "bit \(bit): \(ones)")
    }
    let other = CounterHash(seed: 2)
    let equal = (0..<count).count { (hash.bits($0) ^ other.bits($0)) >> 31 == 0 }
    #expect(abs(equal - count / 2) < 5 * 128)
    // The upper half of an element's number counts, and the lower half wraps into it.
    #expect(hash.bits(1 << 32) != hash.bits(0) && hash.bits(1 << 32 | 7) != hash.bits(7))
  }

  @Test("dropout keeps its share, scales what it keeps, and does the same to the gradient")
  func dropout() throws {
    let (rows, columns, keeping) = (257, 255, Float(0.9))
    let x = try Tensor([Float](repeating: 2, count: rows * columns), rows: rows, columns: columns, on: backend)
    let (out, again) = (try x.like(), try x.like())
    backend.dropout(x, keeping: keeping, seed: 4, into: out)
    let values = try out.floats()
    #expect(Set(values) == [0, 2 * (1 / keeping)])
    let share = Double(values.count { $0 != 0 }) / Double(values.count)
    // Five deviations of a share of 0.9 in 65535.
    #expect(abs(share - 0.9) < 5 * (0.09 / 65_535).squareRoot())
    backend.dropout(x, keeping: keeping, seed: 5, into: again)
    #expect(try again.floats() != values)
    backend.dropout(x, keeping: 1, seed: 4, into: again)
    #expect(try again.floats() == x.floats())
  }

  /// 2000 draws of one step from the same weight.
  @Test("stochastic rounding is right in the mean, to one of the two neighbours", arguments: [DType.bf16, .f16])
  func unbiased(type: DType) throws {
    let count = 2000
    for (weight, rate) in [(1.0, 0.001), (-0.37, 0.0002), (3e-6, 1.3e-8), (-1000, 0.9)] as [(Float, Float)] {
      let parameter = try Tensor([Float](repeating: weight, count: count), rows: 1, columns: count, on: backend).copied(as: type)
      let (first, second) = (try Tensor(1, count, on: backend), try Tensor(1, count, on: backend))
      backend.fill(first, with: 0)
      backend.fill(second, with: 0)
      let gradient = try Tensor([Float](repeating: -1, count: count), rows: 1, columns: count, on: backend)
      let start = try parameter.floats()[0]
      let update = AdamW(rate: rate, beta1: 0, beta2: 0, epsilon: 0, step: 1, rounding: .stochastic(seed: 77))
      backend.adamW(parameter: parameter, gradient: gradient, first: first, second: second, master: nil, update)
      let exact = Double(start + rate), values = try parameter.floats().map(Double.init)
      let neighbours = Set(values).sorted()
      #expect(neighbours.count == 2 && neighbours[0] <= exact && exact <= neighbours[1], "\(weight): \(neighbours) around \(exact)")
      let mean = values.reduce(0, +) / Double(count), step = (neighbours.last ?? 0) - neighbours[0]
      #expect(abs(mean - exact) < 5 * 0.5 * step / Double(count).squareRoot(), "\(weight): mean \(mean) of \(exact)")
    }
  }

  @Test("rounding at random leaves f32 parameters and masters' copies alone")
  func untouched() throws {
    let (n, values) = (300, (0..<300).map { Float($0) * 0.01 + 0.003 })
    func stepped(_ parameter: Tensor, _ master: Tensor?, _ rounding: AdamW.Rounding) throws -> [UInt8] {
      let (first, second) = (try Tensor(1, n, on: backend), try Tensor(1, n, on: backend))
      backend.fill(first, with: 0)
      backend.fill(second, with: 0)
      let gradient = try Tensor(values, rows: 1, columns: n, on: backend)
      let update = AdamW(rate: 0.01, step: 1, rounding: rounding)
      backend.adamW(parameter: parameter, gradient: gradient, first: first, second: second, master: master, update)
      return try parameter.bytes()
    }
    func tensor() throws -> Tensor { try Tensor(values, rows: 1, columns: n, on: backend) }
    #expect(try stepped(tensor(), nil, .nearest) == stepped(tensor(), nil, .stochastic(seed: 1)))
    #expect(
      try stepped(tensor().copied(as: .bf16), tensor(), .nearest) == stepped(tensor().copied(as: .bf16), tensor(), .stochastic(seed: 1)))
    #expect(try stepped(tensor().copied(as: .bf16), nil, .stochastic(seed: 1)) != stepped(tensor().copied(as: .bf16), nil, .nearest))
  }
}

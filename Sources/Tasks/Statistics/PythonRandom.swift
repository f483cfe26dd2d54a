/// The generator of Python's `random.Random(seed)`, draw for draw: MT19937 (Matsumoto and Nishimura, 1998), seeded as CPython seeds it with an
/// integer. lm-evaluation-harness chooses few-shot examples and bootstrap resamples with it, so that only the same draws give its numbers.
public struct PythonRandom: Sendable {
  private var state = [UInt32](repeating: 0, count: PythonRandom.size)
  private var index = PythonRandom.size

  private static let (size, middle) = (624, 397)

  public init(seed: UInt32) {
    // init_by_array([seed]) of the reference implementation.
    state[0] = 19_650_218
    for i in 1..<PythonRandom.size { state[i] = 1_812_433_253 &* (state[i - 1] ^ (state[i - 1] >> 30)) &+ UInt32(i) }
    var i = 1
    for _ in 0..<PythonRandom.size {
      state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) &* 1_664_525)) &+ seed
      i += 1
      if i == PythonRandom.size { (state[0], i) = (state[PythonRandom.size - 1], 1) }
    }
    for _ in 1..<PythonRandom.size {
      state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) &* 1_566_083_941)) &- UInt32(i)
      i += 1
      if i == PythonRandom.size { (state[0], i) = (state[PythonRandom.size - 1], 1) }
    }
    state[0] = 0x8000_0000
  }

  /// The next 32 bits.
  public mutating func next() -> UInt32 {
    if index == PythonRandom.size { twist() }
    defer { index += 1 }
    return PythonRandom.tempered(state[index])
  }

  @inline(__always) private static func tempered(_ number: UInt32) -> UInt32 {
    var y = number
    y ^= y >> 11
    y ^= (y << 7) & 0x9d2c_5680
    y ^= (y << 15) & 0xefc6_0000
    return y ^ (y >> 18)
  }

  private mutating func twist() {
    let (size, middle) = (PythonRandom.size, PythonRandom.middle)
    // Three runs without wrapping around, so that the first two become vector code.
    state.withUnsafeMutableBufferPointer { state in
      for i in 0..<size - middle { state[i] = PythonRandom.twisted(state[i], state[i + 1], state[i + middle]) }
      for i in size - middle..<size - 1 { state[i] = PythonRandom.twisted(state[i], state[i + 1], state[i + middle - size]) }
      state[size - 1] = PythonRandom.twisted(state[size - 1], state[0], state[middle - 1])
    }
    index = 0
  }

  @inline(__always) private static func twisted(_ first: UInt32, _ second: UInt32, _ far: UInt32) -> UInt32 {
    let y = (first & 0x8000_0000) | (second & 0x7fff_ffff)
    return far ^ (y >> 1) ^ (0 &- (y & 1)) & 0x9908_b0df
  }

  /// `random()`: 53 bits in [0, 1).
  public mutating func uniform() -> Double {
    let (high, low) = (Double(next() >> 5), Double(next() >> 6))
    return (high * 67_108_864 + low) / 9_007_199_254_740_992
  }

  /// `sum(choices(values, k=len(values)))`, added from left to right. A block of the generator's numbers is tempered at once: the loop over
  /// draws then has no branch (7 ns a draw).
  mutating func resampledSum(of values: UnsafeBufferPointer<Double>) -> Double {
    let scale = Double(values.count)
    var (sum, left) = (0.0, values.count)
    // Every draw takes two numbers and a block has an even count of them; who has taken an odd count goes on one by one.
    while left > 0, index != PythonRandom.size {
      sum += values[Int(uniform() * scale)]
      left -= 1
    }
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: PythonRandom.size) { block in
      while left > 0 {
        twist()
        let draws = min(left, PythonRandom.size / 2)
        state.withUnsafeBufferPointer { state in for i in 0..<2 * draws { block[i] = PythonRandom.tempered(state[i]) } }
        for i in 0..<draws {
          let (high, low) = (Double(block[2 * i] >> 5), Double(block[2 * i + 1] >> 6))
          sum += values[Int((high * 67_108_864 + low) * 0x1p-53 * scale)]
        }
        index = 2 * draws
        left -= draws
      }
    }
    return sum
  }

  /// `randrange(bound)`, 0 < bound ≤ 2³².
  public mutating func below(_ bound: Int) -> Int {
    precondition(bound > 0 && bound <= 1 << 32, "random: a number below \(bound)")
    let bits = Int.bitWidth - bound.leadingZeroBitCount
    while true {
      let draw = bits <= 32 ? Int(next() >> UInt32(32 - bits)) : Int(next()) | Int(next() >> 31) << 32
      if draw < bound { return draw }
    }
  }

  /// `sample(range(population), count)`: so many different numbers below `population`, in the order they were drawn.
  public mutating func sample(_ count: Int, of population: Int) -> [Int] {
    precondition(count >= 0 && count <= population, "random: \(count) of \(population)")
    // CPython keeps a list of what is left where that is smaller than a set of what was taken.
    var limit = 21
    if count > 5 {
      var power = 1
      while power < count * 3 { power *= 4 }
      limit += power
    }
    if population <= limit {
      var pool = Array(0..<population)
      return (0..<count).map { taken in
        let place = below(population - taken)
        defer { pool[place] = pool[population - taken - 1] }
        return pool[place]
      }
    }
    var taken: Set<Int> = []
    return (0..<count).map { _ in
      var draw = below(population)
      while !taken.insert(draw).inserted { draw = below(population) }
      return draw
    }
  }
}

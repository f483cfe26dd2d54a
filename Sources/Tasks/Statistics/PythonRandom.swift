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
    var y = state[index]
    index += 1
    y ^= y >> 11
    y ^= (y << 7) & 0x9d2c_5680
    y ^= (y << 15) & 0xefc6_0000
    return y ^ (y >> 18)
  }

  private mutating func twist() {
    state.withUnsafeMutableBufferPointer { state in
      for i in 0..<PythonRandom.size {
        let y = (state[i] & 0x8000_0000) | (state[i + 1 == PythonRandom.size ? 0 : i + 1] & 0x7fff_ffff)
        let far = i + PythonRandom.middle
        let other = state[far < PythonRandom.size ? far : far - PythonRandom.size]
        state[i] = other ^ (y >> 1) ^ (y & 1 == 0 ? 0 : 0x9908_b0df)
      }
    }
    index = 0
  }

  /// `random()`: 53 bits in [0, 1).
  public mutating func uniform() -> Double {
    let (high, low) = (Double(next() >> 5), Double(next() >> 6))
    return (high * 67_108_864 + low) / 9_007_199_254_740_992
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

import LinearAlgebra
import TensorTesting
import Testing

struct HadamardTests {
  /// Largest |(H·Hᵀ - I)ᵢⱼ| over all pairs of rows, in double.
  private func departure(_ matrix: [Float], _ size: Int) -> Double {
    var worst = 0.0
    for i in 0..<size {
      for j in 0...i {
        var sum = 0.0
        for k in 0..<size { sum += Double(matrix[i * size + k]) * Double(matrix[j * size + k]) }
        worst = max(worst, abs(sum - (i == j ? 1 : 0)))
      }
    }
    return worst
  }

  @Test(
    "rows are orthonormal and entries ±1/√n, for every kind of base",
    arguments: [1, 2, 4, 12, 20, 28, 36, 44, 52, 60, 64, 68, 76, 84, 100, 108, 128, 140, 244, 288, 344, 384, 896])
  func orthonormal(size: Int) throws {
    let matrix = try #require(Hadamard(size)).matrix
    // One float rounding per entry, √n having no exact one.
    #expect(departure(matrix, size) < 1e-6)
    let entry = 1 / Float(size).squareRoot()
    #expect(matrix.allSatisfy { abs(abs($0) - entry) < 1e-6 * entry })
  }

  @Test(
    "the widths of models have one", arguments: [1152, 1536, 2048, 2560, 2880, 3072, 3584, 4096, 5120, 6144, 8192, 11_008, 13_824])
  func widths(size: Int) throws {
    let hadamard = try #require(Hadamard(size))
    // Whole products would take minutes: rows of the identity from both ends of every structure, against each other.
    let picked = [0, 1, 2, 11, 12, 13, size / 4, size / 2 - 1, size / 2, size / 3, size - 13, size - 1]
    var rows = [Float](repeating: 0, count: picked.count * size)
    for (index, row) in picked.enumerated() { rows[index * size + row] = 1 }
    hadamard.multiply(&rows)
    for i in picked.indices {
      for j in 0..<i {
        let dot = (0..<size).reduce(0.0) { $0 + Double(rows[i * size + $1]) * Double(rows[j * size + $1]) }
        #expect(abs(dot) < 1e-6)
      }
    }
    // There and back again.
    var generator = RandomGenerator(seed: 1)
    let original = (0..<3 * size).map { _ in generator.unit() }
    var there = original
    hadamard.multiply(&there)
    #expect(zip(there, original).contains { abs($0 - $1) > 0.1 })
    hadamard.multiply(&there, transposed: true)
    // Sums of n floats of size 1, twice.
    #expect(zip(there, original).allSatisfy { abs($0 - $1) < 1e-5 })
  }

  @Test("rows are multiplied as the matrix says", arguments: [1, 2, 16, 12, 24, 56, 144])
  func products(size: Int) throws {
    let hadamard = try #require(Hadamard(size))
    let matrix = hadamard.matrix
    var generator = RandomGenerator(seed: 2)
    let x = (0..<2 * size).map { _ in generator.unit() }
    for transposed in [false, true] {
      var product = x
      hadamard.multiply(&product, transposed: transposed)
      for row in 0..<2 {
        for column in 0..<size {
          let expected = (0..<size).reduce(0.0) {
            $0 + Double(x[row * size + $1]) * Double(matrix[transposed ? column * size + $1 : $1 * size + column])
          }
          #expect(abs(Double(product[row * size + column]) - expected) < 1e-5)
        }
      }
    }
  }

  @Test("sizes without a known one are refused", arguments: [-4, 0, 3, 6, 10, 14, 22, 92, 116, 1001, 2 * 2049])
  func refused(size: Int) { #expect(Hadamard(size) == nil) }
}

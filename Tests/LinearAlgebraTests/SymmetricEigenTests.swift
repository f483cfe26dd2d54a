import Glibc
import LinearAlgebra
import TensorTesting
import Testing

struct SymmetricEigenTests {
  private func symmetric(_ size: Int, seed: UInt64) -> [Double] {
    var generator = RandomGenerator(seed: seed)
    var matrix = [Double](repeating: 0, count: size * size)
    for i in 0..<size {
      for j in 0...i {
        let value = Double(generator.unit())
        (matrix[i * size + j], matrix[j * size + i]) = (value, value)
      }
    }
    return matrix
  }

  /// a [n, n] times bᵀ, row by row.
  private func products(_ a: [Double], _ b: [Double], _ size: Int) -> [Double] {
    (0..<size * size).map { place in
      let (i, j) = (place / size * size, place % size * size)
      return (0..<size).reduce(0) { $0 + a[i + $1] * b[j + $1] }
    }
  }

  private func check(_ matrix: [Double], _ size: Int, location: SourceLocation = #_sourceLocation) throws {
    let eigen = try #require(SymmetricEigen(matrix, size: size))
    let norm = max(1, matrix.reduce(0) { max($0, abs($1)) } * Double(size).squareRoot())
    #expect(zip(eigen.values, eigen.values.dropFirst()).allSatisfy { $0 >= $1 }, sourceLocation: location)
    let gram = products(eigen.vectors, eigen.vectors, size)
    let image = products(eigen.vectors, matrix, size)
    var (departure, residual) = (0.0, 0.0)
    for i in 0..<size {
      for j in 0..<size {
        departure = max(departure, abs(gram[i * size + j] - (i == j ? 1 : 0)))
        residual = max(residual, abs(image[i * size + j] - eigen.values[i] * eigen.vectors[i * size + j]))
      }
    }
    // Backward stable: some n of the last place.
    #expect(departure < 1e-12, sourceLocation: location)
    #expect(residual < 1e-13 * norm * Double(max(size, 10)), sourceLocation: location)
  }

  @Test("A·v = λ·v, vectors orthonormal, values falling", arguments: [1, 2, 3, 64, 65, 384])
  func random(size: Int) throws { try check(symmetric(size, seed: UInt64(size)), size) }

  @Test("equal values, zero and rank one")
  func degenerate() throws {
    let size = 96
    try check([Double](repeating: 0, count: size * size), size)
    try check((0..<size * size).map { $0 % (size + 1) == 0 ? 3.5 : 0 }, size)
    let vector = (0..<size).map { sin(Double($0)) }
    try check((0..<size * size).map { 1e6 * vector[$0 / size] * vector[$0 % size] }, size)
    // Two blocks with the same values.
    let block = symmetric(48, seed: 5)
    var twice = [Double](repeating: 0, count: size * size)
    for i in 0..<48 {
      for j in 0..<48 { (twice[i * size + j], twice[(i + 48) * size + j + 48]) = (block[i * 48 + j], block[i * 48 + j]) }
    }
    try check(twice, size)
  }

  @Test("a covariance whose values span twelve orders of magnitude")
  func covariance() throws {
    let size = 128
    let rotation = try #require(SymmetricEigen(symmetric(size, seed: 9), size: size)).vectors
    let spectrum = (0..<size).map { pow(10, 6 - 12 * Double($0) / Double(size - 1)) }
    let columns = (0..<size * size).map { rotation[$0 % size * size + $0 / size] }
    let scaled = (0..<size * size).map { columns[$0] * spectrum[$0 % size] }
    let matrix = products(scaled, columns, size)
    let eigen = try #require(SymmetricEigen(matrix, size: size))
    // Absolute, as eigenvalues are determined: a few n of the largest one's last place.
    for (found, expected) in zip(eigen.values, spectrum) { #expect(abs(found - expected) < 1e-13 * 1e6 * Double(size)) }
  }

  @Test("numbers that are none give none")
  func notFinite() {
    var matrix = symmetric(8, seed: 3)
    matrix[9] = .nan
    #expect(SymmetricEigen(matrix, size: 8) == nil)
    matrix[9] = .infinity
    #expect(SymmetricEigen(matrix, size: 8) == nil)
  }
}

/// An orthonormal Hadamard matrix: entries ±1/√n, H·Hᵀ = I. H = S ⊗ B with Sylvester's S of a power of two and a Paley matrix B, the
/// smallest that makes the size; Llama's widths are 2ᵏ times 1, 12, 20, 28 or 36.
///
/// Which ±1 matrix of a size is meant is a convention: the tables that QuIP# and QuaRot use give others for factors above 1.
public struct Hadamard: Sendable {
  public let size: Int
  /// B's entries row by row, ±1.
  private let base: [Float]
  private let baseSize: Int

  /// nil when no matrix of this size comes out of the two constructions: none exists for odd sizes and odd multiples of two above 2, and a
  /// few multiples of four (92, 116, 156, …) need others.
  public init?(_ size: Int) {
    guard size > 0 else { return nil }
    self.size = size
    let odd = size >> size.trailingZeroBitCount
    if odd == 1 {
      (base, baseSize) = ([1], 1)
      return
    }
    var candidate = odd * 4
    while size % candidate == 0 {
      if let found = PaleyMatrix(candidate) {
        (base, baseSize) = (found.entries, candidate)
        return
      }
      candidate *= 2
    }
    return nil
  }

  /// Every row x of `rows`, `size` numbers each, becomes x·H, or x·Hᵀ when `transposed`. In place, O(log n + m) per number with m the size of B.
  public func multiply(_ rows: inout [Float], transposed: Bool = false) {
    precondition(rows.count % size == 0, "hadamard: \(rows.count) numbers in rows of \(size)")
    let scale = 1 / Float(size).squareRoot()
    var product = [Float](repeating: 0, count: baseSize)
    rows.withUnsafeMutableBufferPointer { rows in
      for first in stride(from: 0, to: rows.count, by: size) {
        let row = UnsafeMutableBufferPointer(rebasing: rows[first..<first + size])
        sylvester(row)
        if baseSize > 1 { for start in stride(from: 0, to: size, by: baseSize) { multiply(row, from: start, transposed, &product) } }
        for index in row.indices { row[index] *= scale }
      }
    }
  }

  /// All entries, [size, size] row by row.
  public var matrix: [Float] {
    var rows = [Float](repeating: 0, count: size * size)
    for index in 0..<size { rows[index * size + index] = 1 }
    multiply(&rows)
    return rows
  }

  /// The fast Walsh-Hadamard transform over groups of `baseSize` numbers; S is symmetric.
  private func sylvester(_ row: UnsafeMutableBufferPointer<Float>) {
    var half = baseSize
    while half < size {
      for start in stride(from: 0, to: size, by: 2 * half) {
        for index in start..<start + half {
          let (a, b) = (row[index], row[index + half])
          row[index] = a + b
          row[index + half] = a - b
        }
      }
      half *= 2
    }
  }

  /// The group of `baseSize` numbers at `start` times B or Bᵀ.
  private func multiply(_ row: UnsafeMutableBufferPointer<Float>, from start: Int, _ transposed: Bool, _ product: inout [Float]) {
    for index in product.indices { product[index] = 0 }
    for i in 0..<baseSize {
      if transposed {
        for j in 0..<baseSize { product[i] += row[start + j] * base[i * baseSize + j] }
      } else {
        let x = row[start + i]
        for j in 0..<baseSize { product[j] += x * base[i * baseSize + j] }
      }
    }
    for index in 0..<baseSize { row[start + index] = product[index] }
  }
}

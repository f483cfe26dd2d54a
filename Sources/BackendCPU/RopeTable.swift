import Glibc
import Synchronization

/// Cosines and sines of positions 0 ..< count for one set of frequencies: a row is D/2 cosines, then D/2 sines. A model asks for the same
/// few positions in every layer, and computing them costs more than the rotation.
final class RopeTable: Sendable {
  let frequencies: [Float]
  let count: Int
  let values: [Float]

  init(frequencies: [Float], count: Int) {
    self.frequencies = frequencies
    self.count = count
    values = [Float](unsafeUninitializedCapacity: count * frequencies.count * 2) { buffer, filled in
      if let base = buffer.baseAddress {
        frequencies.withUnsafeBufferPointer { frequencies in
          for position in 0..<count { RopeTable.fill(base + position * frequencies.count * 2, position: Int32(position), frequencies) }
        }
      }
      filled = count * frequencies.count * 2
    }
  }

  /// The angle is rounded to 32 bits before its cosine is taken, as in transformers; at position 100,000 that is worth 4e-3.
  static func fill(_ row: UnsafeMutablePointer<Float>, position: Int32, _ frequencies: UnsafeBufferPointer<Float>) {
    for (i, frequency) in frequencies.enumerated() {
      let angle = Double(Float(position) * frequency)
      row[i] = Float(cos(angle))
      row[frequencies.count + i] = Float(sin(angle))
    }
  }

  /// Positions from here on get their row computed when they come.
  static var mostPositions: Int { 16_384 }
}

/// Holds the table in use; it grows by doubling, and another model's frequencies replace it.
final class RopeCache: Sendable {
  private let current = Mutex<RopeTable?>(nil)

  func table(_ frequencies: UnsafeBufferPointer<Float>, covering count: Int) -> RopeTable {
    current.withLock { current in
      // Compared bit by bit, so that a NaN does not rebuild the table for ever.
      if let table = current, table.count >= count, table.frequencies.elementsEqual(frequencies, by: { $0.bitPattern == $1.bitPattern }) {
        return table
      }
      var size = 64
      while size < count { size *= 2 }
      let table = RopeTable(frequencies: Array(frequencies), count: size)
      current = table
      return table
    }
  }
}

import TensorCore

/// A row-major matrix of Doubles: what the definitions of the ops compute on. Tensors are turned into it exactly.
public struct Matrix: Sendable {
  public let rows: Int
  public let columns: Int
  public var values: [Double]

  public init(_ rows: Int, _ columns: Int, repeating value: Double = 0) {
    self.rows = rows
    self.columns = columns
    values = Array(repeating: value, count: rows * columns)
  }

  public init(_ rows: Int, _ columns: Int, _ values: [Double]) {
    precondition(values.count == rows * columns, "matrix: \(values.count) values for [\(rows), \(columns)]")
    self.rows = rows
    self.columns = columns
    self.values = values
  }

  public subscript(row: Int, column: Int) -> Double {
    get { values[row * columns + column] }
    set { values[row * columns + column] = newValue }
  }

  public func map(_ transform: (Double) -> Double) -> Matrix { Matrix(rows, columns, values.map(transform)) }

  /// Elementwise; a second operand of one row is used for every row.
  public func zip(_ other: Matrix, _ transform: (Double, Double) -> Double) -> Matrix {
    var out = self
    let isShared = other.rows == 1
    for row in 0..<rows {
      for column in 0..<columns { out[row, column] = transform(self[row, column], other[isShared ? 0 : row, column]) }
    }
    return out
  }

  /// The values a tensor of f32 or bf16 holds when these are stored in it.
  func rounded(to dtype: DType) -> Matrix {
    map { dtype == .bf16 ? ElementFormat.brain(ElementFormat.brainBits($0)) : Double(Float($0)) }
  }

  func row(_ row: Int) -> ArraySlice<Double> { values[row * columns..<(row + 1) * columns] }
}

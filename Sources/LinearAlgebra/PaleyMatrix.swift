/// Matrices of ±1 with orthogonal rows, built from the squares of a finite field (Paley, "On orthogonal matrices", 1933).
struct PaleyMatrix {
  let size: Int
  /// [size, size] row by row
  let entries: [Float]

  /// Order q + 1 for a prime power q ≡ 3 mod 4, order 2·(q + 1) for q ≡ 1 mod 4; nil for every other size.
  init?(_ size: Int) {
    guard size > 0, size % 4 == 0 else { return nil }
    self.size = size
    if let character = QuadraticCharacter(order: size - 1) {
      // I + S, S skew: the first row +1, the first column -1, the rest χ(a - b).
      entries = PaleyMatrix.fill(size) { row, column in
        if row == column || row == 0 { return 1 }
        return column == 0 ? -1 : character(row - 1, minus: column - 1)
      }
    } else if (size / 2 - 1) % 4 == 1, let character = QuadraticCharacter(order: size / 2 - 1) {
      // A symmetric conference matrix with every entry blown up to two by two: ±1 to ±(1 1, 1 -1), 0 to (1 -1, -1 -1).
      entries = PaleyMatrix.fill(size) { row, column in
        let (i, j) = (row / 2, column / 2)
        let bothOdd = row % 2 == 1 && column % 2 == 1
        if i == j { return row % 2 == 0 && column % 2 == 0 ? 1 : -1 }
        let sign = i == 0 || j == 0 ? 1 : character(i - 1, minus: j - 1)
        return bothOdd ? -sign : sign
      }
    } else {
      return nil
    }
  }

  private static func fill(_ size: Int, _ entry: (_ row: Int, _ column: Int) -> Float) -> [Float] {
    [Float](unsafeUninitializedCapacity: size * size) { buffer, count in
      for row in 0..<size {
        for column in 0..<size { buffer[row * size + column] = entry(row, column) }
      }
      count = size * size
    }
  }
}

/// χ of the finite field with q = pᵉ elements, q odd: 1 for squares, -1 for the others, 0 for zero. An element's number has the coefficients
/// of its polynomial over 0 ..< p as digits.
struct QuadraticCharacter {
  private let prime: Int, degree: Int
  private let values: [Int8]

  /// nil when `order` is not the power of an odd prime.
  init?(order: Int) {
    guard order > 2, order % 2 == 1 else { return nil }
    let prime = stride(from: 3, through: order, by: 2).first { $0 * $0 > order || order % $0 == 0 }!
    // No divisor up to the root: the order itself is prime.
    self.prime = order % prime == 0 ? prime : order
    var (rest, degree) = (order, 0)
    while rest % self.prime == 0 { (rest, degree) = (rest / self.prime, degree + 1) }
    guard rest == 1 else { return nil }
    self.degree = degree
    // With a primitive polynomial, X runs through all elements but zero; its even powers are the squares.
    for tail in 1..<order {
      if let values = QuadraticCharacter.powers(of: self.prime, degree: degree, order: order, tail: tail) {
        self.values = values
        return
      }
    }
    preconditionFailure("finite field of order \(order): no primitive polynomial")
  }

  func callAsFunction(_ a: Int, minus b: Int) -> Float {
    var (a, b, place, difference) = (a, b, 1, 0)
    for _ in 0..<degree {
      difference += (a % prime - b % prime + prime) % prime * place
      (a, b, place) = (a / prime, b / prime, place * prime)
    }
    return Float(values[difference])
  }

  /// χ by walking through the powers of X modulo Xᵉ - tail, the digits of `tail` being a polynomial of lower degree; nil when X comes back to 1
  /// before it has met every element.
  private static func powers(of prime: Int, degree: Int, order: Int, tail: Int) -> [Int8]? {
    var values = [Int8](repeating: 0, count: order)
    let top = order / prime
    var element = 1
    for exponent in 0..<order - 1 {
      guard values[element] == 0, element != 0 else { return nil }
      values[element] = exponent % 2 == 0 ? 1 : -1
      let (leading, shifted) = (element / top, element % top * prime)
      var (next, place) = (0, 1)
      for _ in 0..<degree {
        next += (shifted / place % prime + leading * (tail / place % prime)) % prime * place
        place *= prime
      }
      element = next
    }
    return values
  }
}

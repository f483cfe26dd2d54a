import CLAPACK
import COpenBLAS

/// The eigendecomposition A = Σ valueᵢ·vᵢ·vᵢᵀ of a real symmetric matrix, in double precision, by LAPACK's divide and conquer.
///
/// Runs on one thread: its result then depends on the processor alone, and nothing competes with a backend's workers. About 7 s and three
/// matrices of memory for n = 3072 on one core of a Zen 5, growing with n³ and n².
public struct SymmetricEigen: Sendable {
  /// Falling.
  public let values: [Double]
  /// [n, n], row i is the vector of `values[i]`: orthonormal, each with its sign left to chance, and any basis where values are equal.
  public let vectors: [Double]

  /// - Parameter matrix: [n, n]; only one triangle is read. Its memory becomes `vectors`.
  /// - Returns: nil when the matrix holds NaN or infinity, or in the unheard-of case that the iteration does not converge.
  public init?(_ matrix: consuming [Double], size: Int) {
    precondition(size > 0 && size <= 1 << 14 && matrix.count == size * size, "eigen: \(matrix.count) numbers for [\(size), \(size)]")
    var vectors = matrix
    // LAPACK would not come back from some of them.
    guard vectors.allSatisfy(\.isFinite) else { return nil }
    // The process' setting; the CPU backend makes the same choice.
    openblas_set_num_threads(1)
    var (n, info) = (Int32(size), Int32(0))
    var values = [Double](repeating: 0, count: size)
    // What the routine's documentation asks for when vectors are wanted.
    var (workCount, integerCount) = (Int32(1 + 6 * size + 2 * size * size), Int32(3 + 5 * size))
    var work = [Double](repeating: 0, count: Int(workCount))
    var integers = [Int32](repeating: 0, count: Int(integerCount))
    dsyevd_("V", "U", &n, &vectors, &n, &values, &work, &workCount, &integers, &integerCount, &info, 1, 1)
    precondition(info >= 0, "dsyevd: argument \(-info)")
    guard info == 0 else { return nil }
    values.reverse()
    // LAPACK's columns are our rows; from rising to falling.
    for row in 0..<size / 2 {
      for column in 0..<size { vectors.swapAt(row * size + column, (size - 1 - row) * size + column) }
    }
    (self.values, self.vectors) = (values, vectors)
  }
}

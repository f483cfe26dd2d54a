import LinearAlgebra
import TensorCore

/// Σ xᵀx over the rows of a residual stream, and its principal axes.
///
/// The device multiplies up to some thousand rows in f32, which leaves an error of about 1e-6 of √(HᵢᵢHⱼⱼ); the products are added in Double.
/// The damping below is ten thousand times larger.
struct StreamCovariance {
  /// [C, C]
  private var sums: [Double]
  private let width: Int

  init(width: Int) {
    self.width = width
    sums = [Double](repeating: 0, count: width * width)
  }

  /// x [N, C] f32
  mutating func add(_ x: Tensor) throws(BackendError) {
    let product = try Tensor(width, width, on: x.backend)
    x.backend.matmul(x, x, transpose: .left, beta: 0, into: product)
    for (index, value) in try product.floats().enumerated() { sums[index] += Double(value) }
  }

  /// The first `count` axes as rows [count, C], and the share of Σ|x|² that lies in their span.
  /// The sums become them: this can be asked once.
  /// - Returns: nil when the stream held NaN or infinity.
  mutating func principalAxes(_ count: Int) -> (axes: [Float], captured: Double)? {
    var matrix: [Double] = []
    swap(&matrix, &sums)
    let trace = (0..<width).reduce(0.0) { $0 + matrix[$1 * (width + 1)] }
    // As the official code: axes without data would otherwise be left to rounding.
    let damping = SliceGPT.damping * trace / Double(width)
    for index in 0..<width { matrix[index * (width + 1)] += damping }
    guard let eigen = SymmetricEigen(matrix, size: width) else { return nil }
    let captured = eigen.values[..<count].reduce(0) { $0 + $1 - damping }
    return (eigen.vectors[..<(count * width)].map { Float($0) }, trace > 0 ? min(1, captured / trace) : 1)
  }
}

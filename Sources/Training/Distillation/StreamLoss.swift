import TensorCore
import Transformer

/// How far the student's residual stream is from the teacher's where they enter the same layer: for each of the student's layers j that is
/// compared, and each row,
///
///     ‖x_s − x_t‖² / ‖x_t‖²
///
/// with x_s entering the student's layer j (behind its patch) and x_t entering the teacher's layer that it was. Minitron (arXiv 2407.14679)
/// adds such a loss over mapped layers to the divergence of the logits when many layers went, as a mean squared error. Here it is relative to
/// the teacher's row: the norm of the stream grows tenfold and more from the first layer to the last, and the first token's is hundreds of
/// times that of its neighbours (massive activations, arXiv 2402.17762), so that the plain error would be about a few rows and the last layers.
///
///     let streams = StreamLoss(teacher, layers: student.originalLayers, scale: weight / Float(rows * compared))
///     let tape = Tape(into: gradients, at: [StreamLoss.point], visitor: streams.visit)
///
/// Gradients are seeded while the forward pass goes by, with checkpointing too, where a layer is passed twice and only the second time counts.
public final class StreamLoss {
  public static let point = Site.Point.residualIn

  private struct Target {
    /// x_t, [N, C]
    let stream: Tensor
    /// 2·scale / ‖x_t‖², [N, 1]
    let factors: Tensor
  }

  private let targets: [Int: Target]
  /// What the gradients are of: scale · Σ over layers and rows.
  public let scale: Float
  /// By the student's layer: scale · 2 · ‖x_s − x_t‖² / ‖x_t‖², [N, 1].
  private var errors: [Int: Tensor] = [:]

  /// The student's layers worth comparing: all that have something before them in the teacher, whose first stream is the embedding alone.
  /// - Parameter layers: for each of the student's layers, the teacher's layer that it was.
  public static func compared(_ layers: [Int]) -> [Int] { layers.indices.filter { layers[$0] > 0 } }

  /// - Parameters:
  ///   - teacher: with the streams of the layers that are compared.
  ///   - layers: for each of the student's layers, the teacher's layer that it was.
  ///   - scale: what the gradients are of: scale · Σ over layers and rows.
  public init(_ teacher: TeacherRows, layers: [Int], scale: Float) throws(BackendError) {
    precondition(scale > 0, "stream loss: nothing to learn at scale \(scale)")
    self.scale = scale
    var targets: [Int: Target] = [:]
    for layer in StreamLoss.compared(layers) {
      guard let stream = teacher.streams[layers[layer]] else {
        preconditionFailure("stream loss: the teacher kept no stream of its layer \(layers[layer])")
      }
      targets[layer] = Target(stream: stream, factors: try StreamLoss.factors(stream, scale: 2 * scale))
    }
    self.targets = targets
  }

  /// scale / ‖x‖² of every row, [N, 1]. The norm op makes it on the device: C / ‖x‖² is the square of its inverse root mean square.
  private static func factors(_ x: Tensor, scale: Float) throws(BackendError) -> Tensor {
    let backend = x.backend
    let weight = try Tensor(1, x.columns, on: backend)
    backend.fill(weight, with: 1)
    let (inverse, factors) = (try Tensor(x.rows, 1, on: backend), try Tensor(x.rows, 1, on: backend))
    // A row of zeros, which has no relative error, must not divide by zero.
    backend.rmsNorm(
      x, weight: weight, epsilon: 1e-12, into: try Tensor(x.rows, x.columns, backend.activations, on: backend), inverseRMS: inverse)
    backend.multiply(inverse, inverse, into: inverse)
    backend.fill(factors, with: 0)
    backend.addScaled(inverse, by: scale / Float(x.columns), into: factors)
    return factors
  }

  /// For a tape's visitor at `StreamLoss.point`.
  public func visit(_ tape: Tape, _ site: Site, _ x: Tape.Variable) throws(BackendError) -> Tape.Variable {
    guard site.point == StreamLoss.point, let target = targets[site.layer] else { return x }
    let difference = try x.tensor.copied()
    difference.backend.addScaled(target.stream, by: -1, into: difference)
    let gradient = try difference.masked(by: target.factors)
    errors[site.layer] = try difference.rowDots(gradient)
    if x.isRecorded { try tape.seed(x, with: gradient) }
    return x
  }

  /// Σ over layers and rows of ‖x_s − x_t‖² / ‖x_t‖², unscaled, once the forward pass is done.
  public func sum() throws(BackendError) -> Double {
    var sum = 0.0
    for values in errors.values { sum += try values.floats().reduce(0) { $0 + Double($1) } }
    return sum / (2 * Double(scale))
  }
}

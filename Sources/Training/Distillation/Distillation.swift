import TensorCore
import Transformer

/// How a student learns from a teacher beside the text.
public struct Distillation: Sendable {
  public let teacher: Teacher
  public var loss: DistillationLoss
  /// Weight of the mean relative distance of residual streams (`StreamLoss`); 0 leaves them alone.
  public var streams: Float
  /// For each of the student's layers, the teacher's layer that it was.
  private let layers: [Int]

  /// What recovers most on small models with layers removed, see benchmarks/results: the divergence alone, at temperature 1, as Minitron
  /// (arXiv 2407.14679) found for large ones.
  public static let usualLoss = DistillationLoss(crossEntropy: 0, divergence: 1, temperature: 1)

  /// - Parameter layers: for each of the student's layers, the teacher's layer that it was; only needed where streams are compared.
  public init(_ teacher: Teacher, loss: DistillationLoss = usualLoss, streams: Float = 0, layers: [Int] = []) {
    precondition(streams >= 0 && (streams == 0 || !layers.isEmpty), "distillation: streams of unknown layers")
    self.teacher = teacher
    self.loss = loss
    self.streams = streams
    self.layers = layers
  }

  /// The teacher's layer that each layer of a cut was; nil where the cut has a layer that the teacher lacks.
  /// - Parameters: both models' layers by their places in the uncut model.
  public static func layers(of student: [Int], in teacher: [Int]) -> [Int]? {
    let places = student.compactMap { teacher.firstIndex(of: $0) }
    return places.count == student.count ? places : nil
  }

  /// Has the teacher read a batch.
  /// - Parameters:
  ///   - rows: those that are scored, [S, 1] i32; nil for all.
  ///   - tokens: rows of the whole step, over which the distance of streams is a mean.
  public func lesson(_ ids: Tensor, _ layout: PackedLayout, scored rows: Tensor?, tokens: Int) throws(BackendError) -> Lesson {
    let compared = streams > 0 ? StreamLoss.compared(layers) : []
    let read = try teacher.read(ids, layout, rows: rows, streams: Set(compared.map { layers[$0] }))
    let scale = streams / Float(max(1, compared.count * tokens))
    return Lesson(rows: read, loss: loss, streams: compared.isEmpty ? nil : try StreamLoss(read, layers: layers, scale: scale))
  }

  /// One batch that the teacher has read.
  public struct Lesson {
    private let rows: TeacherRows
    private let loss: DistillationLoss
    private let streams: StreamLoss?

    init(rows: TeacherRows, loss: DistillationLoss, streams: StreamLoss?) {
      self.rows = rows
      self.loss = loss
      self.streams = streams
    }

    /// A tape for the student's forward pass.
    public func tape(into gradients: Gradients, adapter: Adapter? = nil, dropout: DropoutStream? = nil) -> Tape {
      guard let streams else { return Tape(into: gradients, adapter: adapter, dropout: dropout) }
      return Tape(into: gradients, at: [StreamLoss.point], adapter: adapter, dropout: dropout, visitor: streams.visit)
    }

    /// Seeds the tape with the gradients of scale · Σ losses.
    /// - Parameters:
    ///   - hidden: the student's scored rows.
    ///   - targets: of those rows.
    public func seed(
      _ tape: Tape, _ hidden: Tape.Variable, head: Tape.Variable, targets: [Int32], scale: Float, rowsPerChunk: Int
    ) throws(BackendError) -> DistillationRows {
      try tape.distillation(of: hidden, head: head, teacher: rows, targets: targets, loss: loss, scale: scale, rowsPerChunk: rowsPerChunk)
    }

    /// The weighted distance of the streams, this batch's part of the step's mean; 0 where they are not compared. After the forward pass.
    public func distance() throws(BackendError) -> Double {
      guard let streams else { return 0 }
      return try streams.sum() * Double(streams.scale)
    }
  }
}

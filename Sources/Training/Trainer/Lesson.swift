import Formats
import TensorCore
import Transformer

/// What a student learns beside the next token: what its teacher says (`Teacher`), and how its residual stream looks there.
public struct Lesson: Sendable {
  public let teacher: Teacher
  public let loss: DistillationLoss
  /// Weight of the streams' mean relative distance (`StreamLoss`); 0 compares none.
  public let streamWeight: Double
  /// For each of the student's layers, the teacher's layer that it was.
  public let layers: [Int]

  /// - Throws: when the student has a layer that the teacher does not have.
  public init(
    _ teacher: Llama, of source: ModelSource, for student: ModelSource, loss: DistillationLoss, streamWeight: Double = 0
  ) throws(FormatError) {
    self.teacher = Teacher(teacher)
    self.loss = loss
    self.streamWeight = streamWeight
    let places = Dictionary(source.originalLayers.enumerated().map { ($1, $0) }) { first, _ in first }
    let layers = student.originalLayers.map { places[$0] }
    guard streamWeight == 0 || source.config.hiddenSize == student.config.hiddenSize, streamWeight == 0 || !layers.contains(nil) else {
      throw FormatError(
        source.path, nil, "its residual stream cannot be compared with that of \(student.path), which was cut from another model")
    }
    self.layers = streamWeight == 0 ? [] : layers.compactMap(\.self)
  }

  /// Whether streams are compared, and of which of the teacher's layers.
  var streams: Set<Int> { streamWeight > 0 ? Set(StreamLoss.compared(layers).map { layers[$0] }) : [] }
}

extension Lesson {
  /// The streams' loss of a pass, whose mean is over all rows of a step, `tokens`, and all layers; nil when none are compared.
  func streamLoss(_ teacher: TeacherRows, tokens: Int) throws(BackendError) -> StreamLoss? {
    guard !streams.isEmpty else { return nil }
    return try StreamLoss(teacher, layers: layers, scale: Float(streamWeight / Double(tokens * StreamLoss.compared(layers).count)))
  }
}

extension TeacherRows {
  /// What it says about some of the rows, [S, 1] i32; nil for all.
  func rows(at ids: Tensor?) throws(BackendError) -> TeacherRows {
    guard let ids else { return self }
    let some = try Tensor(ids.rows, hidden.columns, hidden.dtype, on: hidden.backend)
    hidden.backend.gatherRows(hidden, at: ids, into: some)
    return TeacherRows(hidden: some, head: head)
  }
}

/// What a pass found, still on the device.
struct PassLosses {
  let losses: Tensor
  var divergences: Tensor?
  var streams: StreamLoss?
}

/// The means that a step's loss consists of.
public struct StepLosses: Sendable, Equatable {
  /// Over the scored tokens, nats.
  public internal(set) var crossEntropy = 0.0
  /// KL(teacher ‖ student) at the loss' temperature, over the scored tokens, nats.
  public internal(set) var divergence = 0.0
  /// Relative distance of the residual streams, over all tokens and the compared layers.
  public internal(set) var streams = 0.0

  /// What is minimised.
  func total(_ lesson: Lesson?) -> Double {
    guard let lesson else { return crossEntropy }
    return lesson.loss.total(loss: crossEntropy, divergence: divergence) + lesson.streamWeight * streams
  }

  mutating func add(_ pass: PassLosses, tokens: Int, scored: Int, _ lesson: Lesson?) throws(BackendError) {
    crossEntropy += try pass.losses.floats().reduce(0) { $0 + Double($1) } / Double(scored)
    if let divergences = pass.divergences { divergence += try divergences.floats().reduce(0) { $0 + Double($1) } / Double(scored) }
    if let lesson, let streams = pass.streams {
      self.streams += try streams.sum() / Double(tokens * StreamLoss.compared(lesson.layers).count)
    }
  }
}

import BackendCPU
import BackendCUDA
import Formats
import Glibc
import TensorCore
import TensorTesting
import TestSupport
import Testing
import Training
import Transformer

/// The loss against a teacher, and its gradients.
struct DistillationTests {
  /// A student, its teacher, and what is learned.
  struct Lesson {
    let student: SmallModel, teacher: SmallModel
    var loss = DistillationLoss(crossEntropy: 0.3, divergence: 1, temperature: 2)
    /// Weight of the distance of residual streams; 0 for none.
    var streams: Float = 0
    var checkpointed = false
    var rowsPerChunk = 5

    /// The teacher has weights of its own.
    init(on backend: any ComputeBackend) throws {
      (student, teacher) = (try SmallModel(on: backend), try SmallModel(on: backend))
      try teacher.scramble()
    }

    /// Answers only: a few rows of each sequence.
    static let batch = Batch(
      sequences: SmallModel.sequences,
      targets: SmallModel.sequences.map { sequence in
        sequence.indices.map { $0 + 1 < sequence.count && $0 % 3 != 1 ? sequence[$0 + 1] : -1 }
      })

    /// The loss that is differentiated, mean over scored rows and over compared rows.
    @discardableResult
    func differentiate(into gradients: Gradients, _ batch: Batch = Self.batch) throws -> Double {
      let (model, backend) = (student.model, student.model.backend)
      let layout = try PackedLayout(lengths: batch.sequences.map(\.count), on: backend)
      let ids = try Tensor(Array(batch.sequences.joined()), on: backend)
      let layers = Array(model.layers.indices)
      let compared = StreamLoss.compared(layers)
      let rows = try Teacher(teacher.model).read(ids, layout, streams: streams > 0 ? Set(compared.map { layers[$0] }) : [])
      let scale = streams / Float(compared.count * layout.rows)
      let distance = streams > 0 ? try StreamLoss(rows, layers: layers, scale: scale) : nil
      let tape = Tape(into: gradients, at: [StreamLoss.point], visitor: distance?.visit)
      let hidden = try checkpointed ? model.hidden(ids, layout, checkpointedBy: tape) : model.hidden(ids, layout, in: tape)
      let found = try tape.distillation(
        of: hidden, head: tape.parameter(model.head), teacher: rows, targets: Array(batch.targets.joined()), loss: loss,
        scale: 1 / Float(batch.scored), rowsPerChunk: rowsPerChunk)
      try tape.backward()
      let (losses, divergences) = (try found.losses.floats(), try found.divergences.floats())
      #expect(losses.count == batch.scored && divergences.count == batch.scored)
      let logits = zip(losses, divergences).reduce(0) { $0 + loss.total(loss: Double($1.0), divergence: Double($1.1)) }
      return try logits / Double(batch.scored) + Double(scale) * (distance?.sum() ?? 0)
    }
  }

  @Test(
    "losses and gradients are what the formula in Double says, in chunks of any size",
    arguments: [Float(1), 2, 0.5], [Float(0), 0.3])
  func formula(temperature: Float, crossEntropy: Float) throws {
    let (rows, width, vocabulary) = (9, 8, 21)
    var random = RandomGenerator(seed: 5)
    let (x, w) = (random.matrix(rows, width), random.matrix(vocabulary, width))
    let (teacherX, teacherW) = (random.matrix(rows, 6), random.matrix(vocabulary, 6))
    let targets: [Int32] = [3, -1, 20, 0, -1, -1, 7, 8, -1]
    let scored = targets.indices.filter { targets[$0] >= 0 }
    let loss = DistillationLoss(crossEntropy: crossEntropy, divergence: 0.7, temperature: temperature)
    /// Written down from the definition: soft-max of logits over the temperature.
    func expected(_ x: Matrix, _ w: Matrix) -> [(loss: Double, divergence: Double)] {
      let (student, teacher) = (Definition.matmul(x, w, .right), Definition.matmul(teacherX, teacherW, .right))
      func logs(_ row: [Double], _ temperature: Double) -> [Double] {
        let scaled = row.map { $0 / temperature }
        let total = log(scaled.reduce(0) { $0 + exp($1) })
        return scaled.map { $0 - total }
      }
      return scored.map { row in
        let columns = row * vocabulary..<(row + 1) * vocabulary
        let (q, p) = (Array(student.values[columns]), Array(teacher.values[columns]))
        let (logQ, logP) = (logs(q, Double(temperature)), logs(p, Double(temperature)))
        return (-logs(q, 1)[Int(targets[row])], zip(logP, logQ).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) })
      }
    }
    func total(_ x: Matrix, _ w: Matrix) -> Double {
      expected(x, w).reduce(0) {
        $0 + Double(crossEntropy) * $1.loss + 0.7 * Double(temperature * temperature) * $1.divergence
      } * 0.25
    }
    let backend = ReferenceBackend()
    func tensor(_ m: Matrix) throws -> Tensor { try Tensor(m.values.map { Float($0) }, rows: m.rows, columns: m.columns, on: backend) }
    let head = try tensor(w)
    let teacher = TeacherRows(hidden: try tensor(teacherX), head: try tensor(teacherW))
    for rowsPerChunk in [1, 3, 100] {
      let gradients = Gradients(of: [head])
      let tape = Tape(into: gradients)
      let hidden = tape.input(try tensor(x))
      let found = try tape.distillation(
        of: hidden, head: tape.parameter(head), teacher: teacher, targets: targets, loss: loss, scale: 0.25, rowsPerChunk: rowsPerChunk)
      try tape.backward()
      for (row, values) in expected(x, w).enumerated() {
        // Inputs and results are stored in f32.
        #expect(abs(Double(try found.losses.floats()[row]) - values.loss) < 1e-5)
        #expect(abs(Double(try found.divergences.floats()[row]) - values.divergence) < 1e-5)
      }
      func check(_ matrix: Matrix, _ gradient: [Float], _ loss: (Matrix) -> Double) {
        for index in matrix.values.indices {
          func moved(_ step: Double) -> Double {
            var matrix = matrix
            matrix.values[index] += step
            return loss(matrix)
          }
          let h = 1e-3
          let difference = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h)
          // f32 inputs and gradients of size 1.
          #expect(abs(difference - Double(gradient[index])) < 3e-6, "element \(index), chunks of \(rowsPerChunk)")
        }
      }
      check(x, try #require(tape.gradient(of: hidden)).floats()) { total($0, w) }
      check(w, try #require(gradients[head]).floats()) { total(x, $0) }
    }
  }

  @Test("gradients are what the losses say when the student's weights move, with residual streams compared", arguments: [Float(0), 0.8])
  func finiteDifferences(streams: Float) throws {
    var lesson = try Lesson(on: ReferenceBackend())
    lesson.streams = streams
    let model = lesson.student.model
    let wanted = model.parameters.filter { parameter in
      ["embed", "0.self_attn.q_proj", "1.mlp.down", "2.input_layernorm", "model.norm"].contains { parameter.name.contains($0) }
    }
    #expect(wanted.count == 5)
    let gradients = Gradients(of: wanted.map(\.tensor))
    try lesson.differentiate(into: gradients)
    var random = RandomGenerator(seed: 3)
    for parameter in wanted {
      let weights = try parameter.tensor.floats()
      let gradient = try #require(gradients[parameter.tensor]).floats().map(Double.init)
      let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
      #expect(norm > 1e-4, "\(parameter.name): nothing to compare")
      let direction = gradient.map { $0 / norm + Double(random.unit()) / Double(gradient.count).squareRoot() }
      func loss(_ step: Double) throws -> Double {
        try parameter.tensor.upload(zip(weights, direction).map { Float(Double($0) + step * $1) })
        return try lesson.differentiate(into: Gradients(of: []))
      }
      let h = 0x1p-8
      let difference = try (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h)
      try parameter.tensor.upload(weights)
      let formula = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
      // Losses of each row are stored in f32: 2⁻²³ of 6 over the step leaves some 1e-5.
      #expect(abs(difference - formula) < 2e-3 * norm + 5e-5, "\(parameter.name): \(formula), differences say \(difference)")
    }
  }

  @Test("a student that equals its teacher has no divergence, no distance and no gradient from either")
  func equal() throws {
    var lesson = try Lesson(on: CPUBackend())
    try lesson.student.scramble()
    lesson.streams = 1
    lesson.loss = DistillationLoss(crossEntropy: 0, divergence: 1, temperature: 1.5)
    let gradients = Gradients(of: lesson.student.model.parameters.map(\.tensor))
    let loss = try lesson.differentiate(into: gradients)
    // The divergence of a soft-max from itself in f32.
    #expect(abs(loss) < 1e-6)
    #expect(try gradients.norm() < 1e-5)
  }

  @Test("checkpointed layers learn the same to the last bit, residual streams included")
  func checkpointing() throws {
    var lesson = try Lesson(on: CPUBackend())
    lesson.streams = 0.8
    let parameters = lesson.student.model.parameters
    let (plain, checkpointed) = (Gradients(of: parameters.map(\.tensor)), Gradients(of: parameters.map(\.tensor)))
    let loss = try lesson.differentiate(into: plain)
    lesson.checkpointed = true
    #expect(try lesson.differentiate(into: checkpointed) == loss)
    for parameter in parameters {
      #expect(try plain[parameter.tensor]!.floats() == checkpointed[parameter.tensor]!.floats(), "\(parameter.name)")
    }
  }

  @Test("no tensor of all rows and the whole vocabulary exists")
  func memory() throws {
    var lesson = try Lesson(on: CPUBackend())
    lesson.rowsPerChunk = 16
    let memory = try #require(lesson.student.model.backend as? OwnMemory)
    let (rows, vocabulary, width) = (800, 512, 64)
    let (x, y) = (try Tensor(rows, width, on: memory), try Tensor(rows, width, on: memory))
    memory.fill(x, with: 0.5)
    memory.fill(y, with: -0.25)
    let head = lesson.student.model.head
    let gradients = Gradients(of: [head])
    let tape = Tape(into: gradients)
    let hidden = tape.input(x)
    memory.resetMost()
    let before = memory.bytesInUse
    _ = try tape.distillation(
      of: hidden, head: tape.parameter(head), teacher: TeacherRows(hidden: y, head: head),
      targets: (0..<Int32(rows)).map { $0 % 2 == 0 ? $0 % 512 : -1 }, loss: lesson.loss, scale: 1, rowsPerChunk: 16)
    // The head's gradient, three chunks, half of the rows twice (student, teacher), their gradient, and all rows' gradient.
    let expected = 4 * (vocabulary * width + 3 * 16 * vocabulary + vocabulary + 3 * rows / 2 * width + rows * width + 4 * rows)
    #expect(memory.mostBytes - before <= expected, "\(memory.mostBytes - before) bytes, \(expected) expected")
    #expect(expected < 4 * rows * vocabulary)
  }

  @Test("bf16 activations turn the gradients by what rounding can")
  func rounded() throws {
    let (exact, rough) = (try Self.gradients(on: CPUBackend()), try Self.gradients(on: MixedPrecisionBackend(CPUBackend())))
    let worst = try DeviceTapeTests.worst(rough.gradients, exact.gradients)
    // Weights are rounded too, 0.1 % each; the limit is that of `DeviceTapeTests.rounded`.
    #expect(abs(rough.loss / exact.loss - 1) < 5e-3 && worst.1 < 0.1, "\(rough.loss), \(exact.loss), \(worst)")
  }

  @Test(
    "the CUDA kernels distil as the CPU does", .enabled(if: EmulatorLibrary.isHere, "\(EmulatorLibrary.absent)"),
    arguments: [Precision.f32, .bf16])
  func emulated(precision: Precision) throws {
    let device = try EmulatorLibrary.open { try CUDABackend(.init(precision: precision), driver: $0) }
    let expected = try Self.gradients(on: precision == .bf16 ? MixedPrecisionBackend(CPUBackend()) : CPUBackend())
    let found = try Self.gradients(on: device)
    let worst = try DeviceTapeTests.worst(found.gradients, expected.gradients)
    // As `DeviceTapeTests.emulated`.
    #expect(abs(found.loss / expected.loss - 1) < (precision == .f32 ? 1e-5 : 2e-3), "\(found.loss), \(expected.loss)")
    #expect(worst.1 < (precision == .f32 ? 1e-4 : 0.06), "\(worst)")
  }

  private static func gradients(on backend: any ComputeBackend) throws -> (loss: Double, gradients: [(name: String, gradient: Tensor)]) {
    var lesson = try Lesson(on: backend)
    lesson.streams = 0.8
    let parameters = lesson.student.model.parameters
    let gradients = Gradients(of: parameters.map(\.tensor))
    let loss = try lesson.differentiate(into: gradients)
    return (loss, try parameters.map { ($0.name, try #require(gradients[$0.tensor])) })
  }
}

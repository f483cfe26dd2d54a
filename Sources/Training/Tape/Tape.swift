import TensorCore
import Transformer

/// Reverse-mode differentiation of a forward pass. The pass runs at once, op by op, and each op that somebody wants a gradient through leaves
/// a record; `backward` walks the records from the last to the first.
///
///     let gradients = Gradients(of: model.parameters.map(\.tensor))
///     let tape = Tape(into: gradients)
///     let hidden = try model.hidden(ids, layout, in: tape)
///     let losses = try tape.crossEntropy(of: hidden, head: tape.parameter(model.head), targets: targets, scale: 1 / Float(scored), …)
///     try tape.backward()
///
/// Values are `Variable`s, not tensors: nothing falls off the tape by accident. The records are one flat array, because a chain of objects
/// overflows the stack when it is freed. Frozen parameters record nothing, a record keeps only the tensors its backward reads, and
/// `backward` frees each record and each gradient as soon as they are used. A tape is good for one pass; driven by one task at a time.
///
/// Types: gradients of parameters and of the residual stream are f32. With bf16 activations, gradients of what flows between ops are bf16 as the
/// ops demand (the table above `ComputeBackend`), with two exceptions: rows of a norm are read by several products, whose gradients are
/// summed in f32; and what a product makes of the residual stream's gradient reads it rounded to bf16 once, as it reads activations.
public final class Tape {
  /// A value of the forward pass, and where its gradient goes.
  public struct Variable {
    public let tensor: Tensor
    let slot: Slot

    /// Whether a gradient comes to it in `backward`.
    public var isRecorded: Bool { slot.isWanted }
    /// The same value, with nothing before it.
    public var detached: Variable { Variable(tensor: tensor, slot: Slot(origin: .constant, of: tensor)) }
  }

  /// Where a value's gradient goes. Holds no activation, so that a record which needs no value does not keep it.
  struct Slot {
    enum Origin {
      case constant
      case parameter(Tensor)
      case record(Int)
    }
    let origin: Origin
    let shape: Shape
    let dtype: DType

    init(origin: Origin, of tensor: Tensor) {
      self.origin = origin
      (shape, dtype) = (tensor.shape, tensor.dtype)
    }

    var isWanted: Bool {
      if case .constant = origin { false } else { true }
    }
  }

  struct Gradient {
    let tensor: Tensor
    /// Somebody else may still read it: sums go elsewhere.
    var isShared: Bool
  }

  typealias Backward = (Tape, Gradient) throws(BackendError) -> Void
  /// Looks at a value, or makes another of it with the tape's ops.
  public typealias Visitor = (Tape, Site, Variable) throws(BackendError) -> Variable

  private struct Record {
    /// What products that read the value write its gradient in.
    let gradientType: DType
    let backward: Backward
    var gradient: Gradient?
    var watchers: [(Tensor) throws(BackendError) -> Void] = []
  }

  let gradients: Gradients
  let visitor: Visitor?
  let visited: Set<Site.Point>
  let adapter: Adapter?
  let dropout: DropoutStream?
  private var records: [Record] = []
  private var inputs: [Int: Tensor] = [:]

  /// - Parameters:
  ///   - gradients: whose parameters are differentiated, and where their gradients are added.
  ///   - points: the only sites the visitor wants to see.
  ///   - adapter: takes part in every product with a weight it has a pair for.
  ///   - dropout: of the adapter's inputs; nil drops nothing, as is right outside of training.
  public init(
    into gradients: Gradients, at points: Set<Site.Point> = [], adapter: Adapter? = nil, dropout: DropoutStream? = nil,
    visitor: Visitor? = nil
  ) {
    self.gradients = gradients
    self.visitor = visitor
    self.adapter = adapter
    self.dropout = dropout
    visited = points
  }

  /// A value from outside whose gradient is wanted too; `gradient(of:)` has it after `backward`.
  public func input(_ tensor: Tensor) -> Variable {
    let index = records.count
    return record(tensor) { (tape, gradient) in tape.inputs[index] = gradient.tensor }
  }

  /// The gradient of an `input`; nil where the loss does not depend on it.
  public func gradient(of input: Variable) -> Tensor? {
    guard case .record(let index) = input.slot.origin else { return nil }
    return inputs[index]
  }

  /// Calls `body` in `backward` with the gradient of `x`, once it is complete; not when `x` is not recorded or the loss does not depend on it.
  public func watch(_ x: Variable, _ body: @escaping (_ gradient: Tensor) throws(BackendError) -> Void) {
    guard case .record(let index) = x.slot.origin else { return }
    records[index].watchers.append(body)
  }

  /// Adds to the gradient of `x`, where `backward` starts from. The tape may change the tensor afterwards.
  public func seed(_ x: Variable, with gradient: Tensor) throws(BackendError) {
    try pass(Gradient(tensor: gradient, isShared: false), to: x.slot)
  }

  /// Brings the seeded gradients to the parameters and inputs. After an error the sums of `gradients` are worth nothing.
  public func backward() throws(BackendError) {
    while let record = records.popLast() {
      guard var gradient = record.gradient else { continue }
      for watcher in record.watchers { try watcher(gradient.tensor) }
      if !record.watchers.isEmpty { gradient.isShared = true }
      try record.backward(self, gradient)
    }
  }

  // MARK: what ops are made of

  func constant(_ tensor: Tensor) -> Variable { Variable(tensor: tensor, slot: Slot(origin: .constant, of: tensor)) }

  /// A value whose gradient `backward` passes on to what it was made of.
  func record(_ tensor: Tensor, gradientType: DType? = nil, _ backward: @escaping Backward) -> Variable {
    records.append(Record(gradientType: gradientType ?? tensor.dtype, backward: backward))
    return Variable(tensor: tensor, slot: Slot(origin: .record(records.count - 1), of: tensor))
  }

  /// Where an op adds to a gradient, and the beta that makes it do so: 0 where nothing is yet, and whatever lies there is to be overwritten.
  /// nil when nobody wants it.
  /// - Parameter dtype: what the op has to write; nil leaves it to the value.
  func destination(for slot: Slot, on backend: any ComputeBackend, as dtype: DType? = nil) throws(BackendError) -> (
    out: Tensor, beta: Float
  )? {
    switch slot.origin {
    case .constant: return nil
    case .parameter(let parameter): return try gradients.destination(of: parameter)
    case .record(let index):
      guard let gradient = records[index].gradient else {
        let out = try Tensor(slot.shape.rows, slot.shape.columns, dtype ?? records[index].gradientType, on: backend)
        records[index].gradient = Gradient(tensor: out, isShared: false)
        return (out, 0)
      }
      guard gradient.isShared else { return (gradient.tensor, 1) }
      let own = try gradient.tensor.copied()
      records[index].gradient = Gradient(tensor: own, isShared: false)
      return (own, 1)
    }
  }

  /// Adds to gradients with an op that overwrites its results, all of type `dtype`; what nobody wants is written nowhere that lasts.
  func add(
    to slots: [Slot], as dtype: DType, on backend: any ComputeBackend, _ op: ([Tensor]) -> Void
  ) throws(BackendError) {
    var written: [Tensor] = []
    var sums: [(part: Tensor, sum: Tensor, beta: Float)] = []
    for slot in slots {
      let destination = try destination(for: slot, on: backend, as: dtype)
      if let destination, destination.beta == 0, destination.out.dtype == dtype {
        written.append(destination.out)
      } else {
        let part = try Tensor(slot.shape.rows, slot.shape.columns, dtype, on: backend)
        written.append(part)
        if let destination { sums.append((part, destination.out, destination.beta)) }
      }
    }
    op(written)
    for (part, sum, beta) in sums { Tape.add(part, to: sum, beta) }
  }

  /// - Parameter beta: 0 overwrites the sum.
  static func add(_ part: Tensor, to sum: Tensor, _ beta: Float) {
    if beta == 0 { sum.backend.copy(part, into: sum) } else { sum.backend.add(sum, part, into: sum) }
  }

  /// Adds a whole gradient, which is handed over where nothing is there yet.
  func pass(_ gradient: Gradient, to slot: Slot) throws(BackendError) {
    if case .record(let index) = slot.origin, records[index].gradient == nil {
      records[index].gradient = gradient
    } else if let (sum, beta) = try destination(for: slot, on: gradient.tensor.backend) {
      Tape.add(gradient.tensor, to: sum, beta)
    }
  }
}

import TensorCore

/// Gradients of the parameters somebody wants, f32, summed over every backward pass that was given them. What is asked for is told by the
/// memory a parameter lies in, so a tied embedding and head are one parameter with one gradient.
public final class Gradients {
  struct Key: Hashable {
    let storage: ObjectIdentifier
    let byteOffset: Int

    init(_ tensor: Tensor) {
      storage = ObjectIdentifier(tensor.storage)
      byteOffset = tensor.byteOffset
    }
  }

  /// The parameter is held, so that nobody else's memory can take its identity.
  private struct Entry {
    let parameter: Tensor
    var gradient: Tensor?
  }

  private var entries: [Key: Entry] = [:]
  /// As they were registered: sums over parameters keep to it, so that they repeat to the last bit.
  private var order: [Key] = []

  /// - Parameter parameters: of any type; a quantised one has the gradient of the values it stands for. All others are frozen.
  public init(of parameters: some Sequence<Tensor>) {
    for parameter in parameters where entries.updateValue(Entry(parameter: parameter), forKey: Key(parameter)) == nil {
      order.append(Key(parameter))
    }
  }

  public func contains(_ parameter: Tensor) -> Bool { entries[Key(parameter)] != nil }

  /// Shaped like the parameter; nil before anything was added to it.
  public subscript(parameter: Tensor) -> Tensor? { entries[Key(parameter)]?.gradient }

  /// Forgets the sums, not what is wanted.
  public func clear() {
    for key in entries.keys { entries[key]!.gradient = nil }
  }

  /// Adds what did not come from a tape. gradient: f32, shaped like the parameter.
  public func add(_ gradient: Tensor, to parameter: Tensor) throws(BackendError) {
    let (sum, beta) = try destination(of: parameter)
    Tape.add(gradient, to: sum, beta)
  }

  /// The tensor to add to, and the beta that makes an op do so: 0 before anything was added, when whatever lies there is to be overwritten.
  func destination(of parameter: Tensor) throws(BackendError) -> (out: Tensor, beta: Float) {
    guard let entry = entries[Key(parameter)] else { preconditionFailure("gradients: nobody wants those of a \(parameter.shape)") }
    if let gradient = entry.gradient { return (gradient, 1) }
    let gradient = try Tensor(parameter.rows, parameter.columns, on: parameter.backend)
    entries[Key(parameter)]!.gradient = gradient
    return (gradient, 0)
  }

  /// L2 norm over all parameters: of one long vector.
  public func norm() throws(BackendError) -> Double { try squaredNorms().reduce(0, +).squareRoot() }

  /// L2 norm of each parameter's gradient, in the order in which they were registered; 0 where nothing was added.
  public func norms() throws(BackendError) -> [Double] { try squaredNorms().map { $0.squareRoot() } }

  /// Σ x² of each parameter: rows in f32, their sum in Double. One download for all, since each waits for the device.
  private func squaredNorms() throws(BackendError) -> [Double] {
    let gradients = order.map { entries[$0]!.gradient }
    let rows = gradients.reduce(0) { $0 + ($1?.rows ?? 0) }
    guard rows > 0, let backend = gradients.lazy.compactMap(\.self).first?.backend else { return gradients.map { _ in 0 } }
    let squares = try Tensor(rows, 1, on: backend)
    var row = 0
    for case let gradient? in gradients {
      backend.rowDots(gradient, gradient, into: squares.rows(row..<row + gradient.rows))
      row += gradient.rows
    }
    let sums = try squares.floats()
    row = 0
    return gradients.map { gradient in
      guard let count = gradient?.rows else { return 0 }
      defer { row += count }
      return sums[row..<row + count].reduce(0) { $0 + Double($1) }
    }
  }
}

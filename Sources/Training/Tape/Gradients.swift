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

  /// - Parameter parameters: of any type; a quantised one has the gradient of the values it stands for. All others are frozen.
  public init(of parameters: some Sequence<Tensor>) {
    for parameter in parameters { entries[Key(parameter)] = Entry(parameter: parameter) }
  }

  public func contains(_ parameter: Tensor) -> Bool { entries[Key(parameter)] != nil }

  /// Shaped like the parameter; nil before anything was added to it.
  public subscript(parameter: Tensor) -> Tensor? { entries[Key(parameter)]?.gradient }

  /// Forgets the sums, not what is wanted.
  public func clear() {
    for key in entries.keys { entries[key]!.gradient = nil }
  }

  /// The tensor to add to: zero at first.
  func sum(of parameter: Tensor) throws(BackendError) -> Tensor {
    guard let entry = entries[Key(parameter)] else { preconditionFailure("gradients: nobody wants those of a \(parameter.shape)") }
    if let gradient = entry.gradient { return gradient }
    let gradient = try Tensor(parameter.rows, parameter.columns, on: parameter.backend)
    gradient.backend.fill(gradient, with: 0)
    entries[Key(parameter)]!.gradient = gradient
    return gradient
  }

  /// L2 norm over all parameters: of one long vector.
  public func norm() throws(BackendError) -> Double {
    var squares = 0.0
    for case let gradient? in entries.values.map(\.gradient) { squares += try gradient.squaredNorm() }
    return squares.squareRoot()
  }
}

extension Tensor {
  /// Σ x², rows in f32, their sum in Double.
  func squaredNorm() throws(BackendError) -> Double { try rowDots(self).floats().reduce(0) { $0 + Double($1) } }
}

import TensorCore

/// Changes parameters by their gradients: AdamW (arXiv 1711.05101), bias-corrected, with decoupled decay.
public final class Optimizer {
  public enum Kind: String, CaseIterable, Sendable { case adamw }

  public struct Options: Sendable, Equatable {
    public var kind: Kind
    public var beta1: Double, beta2: Double, epsilon: Double
    /// Of matrices only: parameters of one row, as norms' weights are, keep their size.
    public var decay: Double

    public init(kind: Kind = .adamw, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, decay: Double = 0) {
      self.kind = kind
      self.beta1 = beta1
      self.beta2 = beta2
      self.epsilon = epsilon
      self.decay = decay
    }
  }

  private struct Entry {
    let parameter: TrainedParameter
    /// f32, of the parameter's shape: running means of the gradient and of its square.
    let first: Tensor, second: Tensor
  }

  public let options: Options
  private let entries: [Entry]

  /// Allocates the moments, zero.
  public init(_ parameters: [TrainedParameter], options: Options) throws(BackendError) {
    self.options = options
    var entries: [Entry] = []
    for parameter in parameters {
      let value = parameter.value
      let (first, second) = (
        try Tensor(value.rows, value.columns, on: value.backend), try Tensor(value.rows, value.columns, on: value.backend)
      )
      value.backend.fill(first, with: 0)
      value.backend.fill(second, with: 0)
      entries.append(Entry(parameter: parameter, first: first, second: second))
    }
    self.entries = entries
  }

  public var parameters: [TrainedParameter] { entries.map(\.parameter) }

  /// One update of every parameter that has a gradient; the others stay as they are, moments too.
  /// - Parameters:
  ///   - scale: multiplied onto every gradient, as clipping asks for.
  ///   - step: counts from 1.
  ///   - seed: of this step's stochastic rounding.
  public func step(_ gradients: Gradients, rate: Double, scale: Double = 1, step: Int, seed: UInt64) {
    for entry in entries {
      guard let gradient = gradients[entry.parameter.tensor] else { continue }
      let tensor = entry.parameter.tensor
      let update = AdamW(
        rate: Float(rate), beta1: Float(options.beta1), beta2: Float(options.beta2), epsilon: Float(options.epsilon),
        decay: tensor.rows > 1 ? Float(options.decay) : 0, gradientScale: Float(scale), step: step)
      tensor.backend.adamW(
        parameter: tensor, gradient: gradient, first: entry.first, second: entry.second, master: entry.parameter.master, update)
    }
  }

  /// Everything an interrupted run needs, in a fixed order, under fixed names: "NAME" (the master, or the tensor itself), "NAME.first",
  /// "NAME.second". After these were written from outside, `roundMasters` has to follow.
  public var state: [(name: String, tensor: Tensor)] {
    entries.flatMap { entry in
      let name = entry.parameter.name
      return [(name, entry.parameter.value), ("\(name).first", entry.first), ("\(name).second", entry.second)]
    }
  }

  /// Makes every tensor that has a master its copy, rounded to nearest even.
  public func roundMasters() {
    for parameter in parameters {
      if let master = parameter.master { parameter.tensor.backend.copy(master, into: parameter.tensor) }
    }
  }
}

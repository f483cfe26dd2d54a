import TensorCore

/// Changes parameters by their gradients: AdamW (arXiv 1711.05101), bias-corrected, with decoupled decay, its moments in f32 or in 8 bits.
///
/// Bytes per trained parameter, of weight + master + f32 gradient + moments (8-bit ones have 8 bytes of scales per 256 elements):
///
///     weights                            adamw                  adamw8bit
///     f32                                4 + 0 + 4 + 8 = 16     4 + 0 + 4 + 2.03 = 10.03
///     bf16 or f16 with f32 masters       2 + 4 + 4 + 8 = 18     2 + 4 + 4 + 2.03 = 12.03
///     bf16 or f16, rounded at random     2 + 0 + 4 + 8 = 14     2 + 0 + 4 + 2.03 =  8.03
public final class Optimizer {
  public enum Kind: String, CaseIterable, Sendable {
    case adamw
    /// Block-wise 8-bit moments (arXiv 2110.02861) for tensors of 4096 elements and more, as there; smaller ones have f32 moments.
    case adamw8bit
  }

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

  /// Running means of the gradient and of its square.
  private enum Moments {
    /// f32, of the parameter's shape.
    case full(first: Tensor, second: Tensor)
    case blocks(first: BlockMoment, second: BlockMoment)
  }

  private struct Entry {
    let parameter: TrainedParameter
    let moments: Moments
  }

  public let options: Options
  private let entries: [Entry]

  /// Fewer elements than these are not worth 8 bits.
  static let leastElements = 4096

  /// Allocates the moments, zero.
  public init(_ parameters: [TrainedParameter], options: Options) throws(BackendError) {
    self.options = options
    var entries: [Entry] = []
    for parameter in parameters {
      let (shape, backend) = (parameter.value.shape, parameter.value.backend)
      if options.kind == .adamw8bit, shape.count >= Optimizer.leastElements {
        let moments = Moments.blocks(first: try BlockMoment(for: shape, on: backend), second: try BlockMoment(for: shape, on: backend))
        entries.append(Entry(parameter: parameter, moments: moments))
      } else {
        let (first, second) = (try Tensor(shape.rows, shape.columns, on: backend), try Tensor(shape.rows, shape.columns, on: backend))
        backend.fill(first, with: 0)
        backend.fill(second, with: 0)
        entries.append(Entry(parameter: parameter, moments: .full(first: first, second: second)))
      }
    }
    self.entries = entries
  }

  public var parameters: [TrainedParameter] { entries.map(\.parameter) }

  /// One update of every parameter that has a gradient; the others stay as they are, moments too. A bf16 or f16 parameter without a master
  /// is rounded stochastically: most steps are smaller than half a unit in its last place, and rounding to nearest would lose them.
  /// - Parameters:
  ///   - scale: multiplied onto every gradient, as clipping asks for.
  ///   - step: counts from 1.
  ///   - seed: of this step's stochastic rounding; every step needs one of its own.
  public func step(_ gradients: Gradients, rate: Double, scale: Double = 1, step: Int, seed: UInt64) {
    for (index, entry) in entries.enumerated() {
      let (tensor, master) = (entry.parameter.tensor, entry.parameter.master)
      guard let gradient = gradients[tensor] else { continue }
      let update = AdamW(
        rate: Float(rate), beta1: Float(options.beta1), beta2: Float(options.beta2), epsilon: Float(options.epsilon),
        decay: tensor.rows > 1 ? Float(options.decay) : 0, gradientScale: Float(scale), step: step,
        rounding: .stochastic(seed: seed &+ UInt64(index) &* Optimizer.seedStride))
      switch entry.moments {
      case .full(let first, let second):
        tensor.backend.adamW(parameter: tensor, gradient: gradient, first: first, second: second, master: master, update)
      case .blocks(let first, let second):
        tensor.backend.adamW8bit(parameter: tensor, gradient: gradient, first: first, second: second, master: master, update)
      }
    }
  }

  /// SplitMix64's: neighbouring seeds of steps do not meet neighbouring parameters' ones.
  private static let seedStride: UInt64 = 0x9e37_79b9_7f4a_7c15

  /// Everything an interrupted run needs, in a fixed order, under fixed names: "NAME" (the master, or the tensor itself), "NAME.first",
  /// "NAME.second"; moments of 8 bits as codes under these names and their scales under "NAME.first.scales", "NAME.second.scales". After
  /// these were written from outside, `roundMasters` has to follow.
  public var state: [(name: String, tensor: Tensor)] {
    entries.flatMap { entry in
      let name = entry.parameter.name
      let value = (name: name, tensor: entry.parameter.value)
      switch entry.moments {
      case .full(let first, let second): return [value, ("\(name).first", first), ("\(name).second", second)]
      case .blocks(let first, let second):
        return [
          value, ("\(name).first", first.codes), ("\(name).first.scales", first.scales), ("\(name).second", second.codes),
          ("\(name).second.scales", second.scales),
        ]
      }
    }
  }

  /// Makes every tensor that has a master its copy, rounded to nearest even.
  public func roundMasters() {
    for parameter in parameters {
      if let master = parameter.master { parameter.tensor.backend.copy(master, into: parameter.tensor) }
    }
  }
}

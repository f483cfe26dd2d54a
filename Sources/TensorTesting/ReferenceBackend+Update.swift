import Glibc
import TensorCore

extension Definition {
  /// With g = gradientScale·gradient: m = β₁m + (1 - β₁)g, v = β₂v + (1 - β₂)g², and then the step.
  public static func adamW(parameter w: inout Double, gradient: Double, first m: inout Double, second v: inout Double, _ update: AdamW) {
    let (beta1, beta2) = (Double(update.beta1), Double(update.beta2))
    let g = Double(update.gradientScale) * gradient
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    w = adamW(parameter: w, first: m, second: v, update)
  }

  /// w - rate·(m/(1 - β₁ᵗ) / (sqrt(v/(1 - β₂ᵗ)) + ε) + decay·w)
  static func adamW(parameter w: Double, first m: Double, second v: Double, _ update: AdamW) -> Double {
    let mean = m / (1 - pow(Double(update.beta1), Double(update.step)))
    let spread = (v / (1 - pow(Double(update.beta2), Double(update.step)))).squareRoot()
    return w - Double(update.rate) * (mean / (spread + Double(update.epsilon)) + Double(update.decay) * w)
  }
}

extension ReferenceBackend {
  public func adamW(parameter: Tensor, gradient: Tensor, first: Tensor, second: Tensor, master: Tensor?, _ update: AdamW) {
    Check.adamW(parameter: parameter, gradient: gradient, first: first, second: second, master: master)
    var (w, m, v) = (load(master ?? parameter), load(first), load(second))
    let g = load(gradient)
    for i in w.values.indices {
      Definition.adamW(parameter: &w.values[i], gradient: g.values[i], first: &m.values[i], second: &v.values[i], update)
    }
    store(m, into: first)
    store(v, into: second)
    store(w, into: parameter, master, update.rounding)
  }

  public func adamW8bit(parameter: Tensor, gradient: Tensor, first: BlockMoment, second: BlockMoment, master: Tensor?, _ update: AdamW) {
    Check.adamW8bit(parameter: parameter, gradient: gradient, first: first, second: second, master: master)
    var w = load(master ?? parameter)
    let gradients = load(gradient)
    var (m, v) = (moments(first, .signed, w.values.count), moments(second, .unsigned, w.values.count))
    for i in w.values.indices {
      // In f32, each operation by itself, as the op's description asks.
      let g = Float(gradients.values[i]) * update.gradientScale
      m[i] = m[i] * update.beta1 + g * (1 - update.beta1)
      v[i] = v[i] * update.beta2 + g * g * (1 - update.beta2)
      w.values[i] = Definition.adamW(parameter: w.values[i], first: Double(m[i]), second: Double(v[i]), update)
    }
    store(m, .signed, into: first)
    store(v, .unsigned, into: second)
    store(w, into: parameter, master, update.rounding)
  }

  private func store(_ weights: Matrix, into parameter: Tensor, _ master: Tensor?, _ rounding: AdamW.Rounding) {
    if let master {
      store(weights, into: master)
      copy(master, into: parameter)
    } else if case .stochastic(let seed) = rounding, parameter.dtype != .f32 {
      let hash = CounterHash(seed: seed)
      // The exact value is what f32 holds of it: a hash that lies between the two would decide otherwise.
      let bits = weights.values.indices.map { i in
        ElementFormat.bits(
          Double(Float(weights.values[i])), parameter.dtype, upBelow: Double(hash.bits(i) >> 8) * 0x1p-24)
      }
      store(bits: bits, into: parameter)
    } else {
      store(weights, into: parameter)
    }
  }

  /// Decoded, whole blocks: zeros behind the last element.
  private func moments(_ moment: BlockMoment, _ code: DynamicCode, _ count: Int) -> [Float] {
    let (values, scales) = (code.values, load(moment.scales).values)
    return bytes(moment.codes).enumerated().map { $0 < count ? values[Int($1)] * Float(scales[$0 / BlockMoment.elements]) : 0 }
  }

  private func store(_ values: [Float], _ code: DynamicCode, into moment: BlockMoment) {
    var (codes, scales) = ([UInt8](), [Double]())
    for start in stride(from: 0, to: values.count, by: BlockMoment.elements) {
      let block = values[start..<start + BlockMoment.elements]
      let most = block.reduce(Float(0)) { abs($1) > $0 ? abs($1) : $0 }
      scales.append(Double(most))
      codes += block.map { code.code(of: $0 / (most == 0 ? 1 : most)) }
    }
    store(Matrix(scales.count, 1, scales), into: moment.scales)
    store(bytes: codes, into: moment.codes)
  }
}

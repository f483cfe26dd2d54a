import Glibc
import TensorCore

extension Definition {
  /// With g = gradientScale·gradient: m = β₁m + (1 - β₁)g, v = β₂v + (1 - β₂)g²,
  /// w = w - rate·(m/(1 - β₁ᵗ) / (sqrt(v/(1 - β₂ᵗ)) + ε) + decay·w).
  public static func adamW(parameter w: inout Double, gradient: Double, first m: inout Double, second v: inout Double, _ update: AdamW) {
    let (beta1, beta2) = (Double(update.beta1), Double(update.beta2))
    let g = Double(update.gradientScale) * gradient
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    let mean = m / (1 - pow(beta1, Double(update.step)))
    let spread = (v / (1 - pow(beta2, Double(update.step)))).squareRoot()
    w -= Double(update.rate) * (mean / (spread + Double(update.epsilon)) + Double(update.decay) * w)
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
    if let master {
      store(w, into: master)
      copy(master, into: parameter)
    } else {
      store(w, into: parameter)
    }
  }
}

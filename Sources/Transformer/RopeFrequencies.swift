import Formats
import Glibc

extension LlamaConfig {
  /// Rotary frequencies of one head, D/2 of them: θ^(-2i/D), stretched as the model's `rope_scaling` says. Rounded to Float where
  /// transformers rounds, so that angles agree to the last bit.
  public var ropeFrequencies: [Float] {
    (0..<headDim / 2).map { i in
      let base = Float(1) / Float(pow(ropeTheta, Double(2 * i) / Double(headDim)))
      switch ropeScaling {
      case .none: return base
      case .linear(let factor): return base / Float(factor)
      case .llama3(let factor, let lowFactor, let highFactor, let original):
        let wavelength = 2 * Double.pi / Double(base)
        let context = Double(original)
        if wavelength < context / highFactor { return base }
        if wavelength > context / lowFactor { return base / Float(factor) }
        let blend = (context / wavelength - lowFactor) / (highFactor - lowFactor)
        return Float((1 - blend) * Double(base) / factor + blend * Double(base))
      }
    }
  }
}

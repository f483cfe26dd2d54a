import CKernels
import Glibc
import TensorCore

extension CPUBackend {
  public func adamW(parameter: Tensor, gradient: Tensor, first: Tensor, second: Tensor, master: Tensor?, _ update: AdamW) {
    Check.adamW(parameter: parameter, gradient: gradient, first: first, second: second, master: master)
    precondition(update.step > 0, "adamW: step \(update.step) counts from 1")
    var constants = hoof_adamw(
      rate: update.rate, beta1: update.beta1, beta2: update.beta2, epsilon: update.epsilon, decay: update.decay,
      gradient_scale: update.gradientScale, first_correction: CPUBackend.correction(update.beta1, update.step),
      second_correction: CPUBackend.correction(update.beta2, update.step))
    let weights = master ?? parameter
    withUnsafePointer(to: &constants) { constants in
      parallel(parameter.shape.count, grain: elementGrain / 2) { part in
        let at = part.lowerBound
        hoof_adamw(simd, constants, weights.f32 + at, gradient.f32 + at, first.f32 + at, second.f32 + at, part.count)
        guard master != nil else { return }
        switch parameter.dtype {
        case .f32: (parameter.f32 + at).update(from: weights.f32 + at, count: part.count)
        case .f16: hoof_round_f16(simd, weights.f32 + at, parameter.raw.assumingMemoryBound(to: UInt16.self) + at, part.count)
        case .bf16: hoof_round_bf16(simd, weights.f32 + at, parameter.raw.assumingMemoryBound(to: UInt16.self) + at, part.count)
        case .i32, .q8_0, .q4_K: preconditionFailure("adamW: parameter \(parameter.shape) \(parameter.dtype.name)")
        }
      }
    }
  }

  /// 1 / (1 - beta^step)
  private static func correction(_ beta: Float, _ step: Int) -> Float { Float(1 / (1 - pow(Double(beta), Double(step)))) }
}

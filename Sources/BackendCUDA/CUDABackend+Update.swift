import Glibc
import TensorCore

extension CUDABackend {
  public func adamW(parameter: Tensor, gradient: Tensor, first: Tensor, second: Tensor, master: Tensor?, _ update: AdamW) {
    Check.adamW(parameter: parameter, gradient: gradient, first: first, second: second, master: master)
    let (beta1, beta2) = (Double(update.beta1), Double(update.beta2))
    let correction1 = 1 / (1 - pow(beta1, Double(update.step))), correction2 = 1 / (1 - pow(beta2, Double(update.step)))
    launch(
      .update, "hoof_adamw_\(parameter.dtype.name)", grid: CUDABackend.elements(parameter.shape.count, perThread: 8),
      threads: CUDABackend.elementThreads, parameter.pointer, gradient.pointer, first.pointer, second.pointer, master.pointer,
      Int64(parameter.shape.count), update.rate, update.beta1, update.beta2, Float(1 - beta1), Float(1 - beta2), update.epsilon,
      update.decay, update.gradientScale, Float(correction1), Float(correction2))
  }
}

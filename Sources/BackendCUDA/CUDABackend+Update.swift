import Glibc
import TensorCore

extension CUDABackend {
  public func adamW(parameter: Tensor, gradient: Tensor, first: Tensor, second: Tensor, master: Tensor?, _ update: AdamW) {
    Check.adamW(parameter: parameter, gradient: gradient, first: first, second: second, master: master)
    let step = StepArguments(update)
    launch(
      .update, "hoof_adamw_\(parameter.dtype.name)", grid: CUDABackend.elements(parameter.shape.count, perThread: 8),
      threads: CUDABackend.elementThreads, parameter.pointer, gradient.pointer, first.pointer, second.pointer, master.pointer,
      Int64(parameter.shape.count), update.rate, update.beta1, update.beta2, step.rest1, step.rest2, update.epsilon,
      update.decay, update.gradientScale, step.correction1, step.correction2, step.hash.first, step.hash.second, step.isStochastic)
  }

  /// A warp for each block of moments.
  public func adamW8bit(parameter: Tensor, gradient: Tensor, first: BlockMoment, second: BlockMoment, master: Tensor?, _ update: AdamW) {
    Check.adamW8bit(parameter: parameter, gradient: gradient, first: first, second: second, master: master)
    let step = StepArguments(update)
    let threads = 256
    launch(
      .adamw8, "hoof_adamw8_\(parameter.dtype.name)", grid: Grid(x: first.scales.rows.dividedUp(by: threads / 32)), threads: threads,
      parameter.pointer, gradient.pointer, first.codes.pointer, first.scales.pointer, second.codes.pointer, second.scales.pointer,
      master.pointer, Int64(parameter.shape.count), update.rate, update.beta1, update.beta2, step.rest1, step.rest2, update.epsilon,
      update.decay, update.gradientScale, step.correction1, step.correction2, step.hash.first, step.hash.second, step.isStochastic)
  }
}

/// What the host computes for a step, in double precision.
private struct StepArguments {
  /// 1 - beta, and 1 / (1 - betaᵗ)
  let rest1: Float, rest2: Float, correction1: Float, correction2: Float
  let hash: CounterHash
  let isStochastic: UInt32

  init(_ update: AdamW) {
    precondition(update.step > 0, "adamW: step \(update.step) counts from 1")
    let (beta1, beta2, step) = (Double(update.beta1), Double(update.beta2), Double(update.step))
    (rest1, rest2) = (Float(1 - beta1), Float(1 - beta2))
    (correction1, correction2) = (Float(1 / (1 - pow(beta1, step))), Float(1 / (1 - pow(beta2, step))))
    switch update.rounding {
    case .nearest: (hash, isStochastic) = (CounterHash(seed: 0), 0)
    case .stochastic(let seed): (hash, isStochastic) = (CounterHash(seed: seed), 1)
    }
  }
}

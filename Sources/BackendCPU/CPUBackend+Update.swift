import CKernels
import Glibc
import TensorCore

extension CPUBackend {
  public func adamW(parameter: Tensor, gradient: Tensor, first: Tensor, second: Tensor, master: Tensor?, _ update: AdamW) {
    Check.adamW(parameter: parameter, gradient: gradient, first: first, second: second, master: master)
    withUnsafePointer(to: hoof_adamw(update)) { constants in
      parallel(parameter.shape.count, grain: elementGrain / 2) { part in
        change(parameter, master, update.rounding, part) { weights, part in
          let at = part.lowerBound
          hoof_adamw(simd, constants, weights, gradient.f32 + at, first.f32 + at, second.f32 + at, part.count)
        }
      }
    }
  }

  public func adamW8bit(parameter: Tensor, gradient: Tensor, first: BlockMoment, second: BlockMoment, master: Tensor?, _ update: AdamW) {
    Check.adamW8bit(parameter: parameter, gradient: gradient, first: first, second: second, master: master)
    let count = parameter.shape.count, size = BlockMoment.elements
    withUnsafePointer(to: hoof_adamw(update)) { constants in
      CPUBackend.codes.withUnsafeBufferPointer { values in
        parallel((count + size - 1) / size, grain: elementGrain / 2 / size) { blocks in
          let part = blocks.lowerBound * size..<min(blocks.upperBound * size, count)
          change(parameter, master, update.rounding, part) { weights, part in
            let at = part.lowerBound
            var moments = hoof_moments(
              signed_values: values.baseAddress!, unsigned_values: values.baseAddress! + 256,
              first: first.codes.raw.assumingMemoryBound(to: UInt8.self) + at,
              second: second.codes.raw.assumingMemoryBound(to: UInt8.self) + at, first_scales: first.scales.f32 + at / size,
              second_scales: second.scales.f32 + at / size)
            hoof_adamw8(simd, constants, weights, gradient.f32 + at, &moments, part.count)
          }
        }
      }
    }
  }

  /// Of all bytes, signed and then unsigned.
  private static let codes = DynamicCode.signed.values + DynamicCode.unsigned.values

  /// Lets `body` change a range of weights, in one or several pieces that begin at multiples of a block from its start: the master's or an f32
  /// parameter's where they lie, a narrow parameter's widened. Then rounds them into the parameter.
  private func change(
    _ parameter: Tensor, _ master: Tensor?, _ rounding: AdamW.Rounding, _ part: Range<Int>,
    _ body: (UnsafeMutablePointer<Float>, Range<Int>) -> Void
  ) {
    if let master {
      body(master.f32 + part.lowerBound, part)
      return round(master.f32 + part.lowerBound, into: parameter, part, .nearest)
    }
    if parameter.dtype == .f32 { return body(parameter.f32 + part.lowerBound, part) }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: CPUBackend.piece) { line in
      guard let weights = line.baseAddress else { return }
      for start in stride(from: part.lowerBound, to: part.upperBound, by: CPUBackend.piece) {
        let piece = start..<min(start + CPUBackend.piece, part.upperBound)
        hoof_row_to_f32(simd, parameter.dtype.stored, parameter.raw, start, piece.count, weights)
        body(weights, piece)
        round(weights, into: parameter, piece, rounding)
      }
    }
  }

  /// weights: of `part`.
  private func round(
    _ weights: UnsafeMutablePointer<Float>, into parameter: Tensor, _ part: Range<Int>, _ rounding: AdamW.Rounding
  ) {
    if parameter.dtype == .f32 { return (parameter.f32 + part.lowerBound).update(from: weights, count: part.count) }
    let out = parameter.raw.assumingMemoryBound(to: UInt16.self) + part.lowerBound
    switch (rounding, parameter.dtype == .bf16) {
    case (.nearest, true): hoof_round_bf16(simd, weights, out, part.count)
    case (.nearest, false): hoof_round_f16(simd, weights, out, part.count)
    case (.stochastic(let seed), let isBrain):
      var keys = hoof_hash(CounterHash(seed: seed))
      (isBrain ? hoof_dither_bf16 : hoof_dither_f16)(simd, weights, &keys, UInt64(part.lowerBound), out, part.count)
    }
  }

  /// Elements widened at a time: whole blocks, small enough for the first cache.
  private static let piece = 4 * BlockMoment.elements
}

extension hoof_hash {
  init(_ hash: CounterHash) { self.init(first: hash.first, second: hash.second) }
}

extension hoof_adamw {
  fileprivate init(_ update: AdamW) {
    precondition(update.step > 0, "adamW: step \(update.step) counts from 1")
    /// 1 / (1 - beta^step)
    func correction(_ beta: Float) -> Float { Float(1 / (1 - pow(Double(beta), Double(update.step)))) }
    self.init(
      rate: update.rate, beta1: update.beta1, beta2: update.beta2, epsilon: update.epsilon, decay: update.decay,
      gradient_scale: update.gradientScale, first_correction: correction(update.beta1), second_correction: correction(update.beta2))
  }
}

/// What a device computes in. Matrix products always accumulate in f32 (or exactly), and statistics, logits, the residual stream and
/// gradients of weights are f32 whichever is chosen.
public enum Precision: String, Sendable, CaseIterable {
  /// Activations between ops are bf16.
  case bf16
  /// Activations are f32, rounded to 10 bits of mantissa inside matrix products.
  case tf32
  /// Everything is f32.
  case f32
  /// Everything is f32, but products with quantised weights may round what meets the weights to 16-bit whole numbers, 512 to a unit at most:
  /// an error of 2^-16 of the largest, between those of tf32 and f32. For a CPU, which multiplies whole numbers faster than floats.
  case int16
}

/// Whether matrix products may come from the vendor's library.
public enum VendorBLAS: String, Sendable, CaseIterable {
  /// Where it is found and faster.
  case auto
  /// Wherever it can; it must be there.
  case on
  case off
}

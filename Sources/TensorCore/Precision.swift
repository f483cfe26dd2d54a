/// What a device with tensor cores computes in. Matrix products always accumulate in f32, and statistics, logits, the residual stream
/// and gradients of weights are f32 whichever is chosen.
public enum Precision: String, Sendable, CaseIterable {
  /// Activations between ops are bf16.
  case bf16
  /// Activations are f32, rounded to 10 bits of mantissa inside matrix products.
  case tf32
  /// Everything is f32.
  case f32
}

/// Whether matrix products may come from the vendor's library.
public enum VendorBLAS: String, Sendable, CaseIterable {
  /// Where it is found and faster.
  case auto
  /// Wherever it can; it must be there.
  case on
  case off
}

/// How a device computes a forward pass: bf16 weights and activations, f32 with products rounded to TF32, or plain f32.
public enum Precision: String, Sendable, CaseIterable { case bf16, tf32, f32 }

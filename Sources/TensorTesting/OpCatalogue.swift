import TensorCore

/// Every op at the shapes that have broken such code before: odd sizes, one token, nothing at all, huge vocabularies, masked rows, values
/// at the ends of the range. Tests compare backends on `agreement`; the benchmark times `benchmark`; both are made by the same functions.
public enum OpCatalogue {
  public static let agreement: [OpCase] = elementwise + rows + matmuls + norms + ropes + gates + attentions + losses + updates

  /// The ops with bf16 activations, in every mix of types of the table above `ComputeBackend`: for backends that have them. The inputs are
  /// bf16 values, so an f32 result is as near as that of f32 inputs, but for what a case says is rounded inside.
  public static let mixed: [OpCase] =
    mixedElementwise + mixedRows + mixedMatmuls + mixedNorms + mixedRopes + mixedGates + mixedAttentions + mixedLosses

  /// Sizes that fall between the widths of vector registers and tiles.
  static let oddShapes = [(1, 1), (1, 257), (7, 41), (41, 123), (3, 1024), (0, 64)]
}

extension OpCatalogue {
  /// " in bf16", " in bf16, f32, bf16": the types of a case, in the order of the op's signature; nothing for all f32.
  static func suffix(_ types: DType...) -> String {
    types.allSatisfy { $0 == .f32 } ? "" : " in " + types.map(\.name).joined(separator: ", ")
  }
}

extension Shape {
  var floatBytes: Int { 4 * count }
  /// Bytes of this many elements of a dense type.
  func bytes(_ dtype: DType) -> Int { dtype.block.bytes * count }
}

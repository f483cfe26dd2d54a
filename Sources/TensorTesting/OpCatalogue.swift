import TensorCore

/// Every op at the shapes that have broken such code before: odd sizes, one token, nothing at all, huge vocabularies, masked rows, values
/// at the ends of the range. Tests compare backends on `agreement`; the benchmark times `benchmark`; both are made by the same functions.
public enum OpCatalogue {
  public static let agreement: [OpCase] = elementwise + rows + matmuls + norms + ropes + gates + attentions + losses + updates

  /// Sizes that fall between the widths of vector registers and tiles.
  static let oddShapes = [(1, 1), (1, 257), (7, 41), (41, 123), (3, 1024), (0, 64)]
}

extension Shape {
  var floatBytes: Int { 4 * count }
}

/// Element types a tensor can be stored as. Quantised types are GGUF's block layouts, bit for bit.
public enum DType: UInt8, Sendable, CaseIterable {
  case f32, f16, bf16, i32, q8_0, q4_K

  /// One block of storage; a dense type is a block of one element.
  public var block: (elements: Int, bytes: Int) {
    switch self {
    case .f32, .i32: (1, 4)
    case .f16, .bf16: (1, 2)
    case .q8_0: (32, 34)
    case .q4_K: (256, 144)
    }
  }

  /// Whether single elements can be addressed; block-quantised types are not dense.
  public var isDense: Bool { block.elements == 1 }

  /// The name used in files, reports and on the command line.
  public var name: String {
    switch self {
    case .f32: "f32"
    case .f16: "f16"
    case .bf16: "bf16"
    case .i32: "i32"
    case .q8_0: "q8_0"
    case .q4_K: "q4_K"
    }
  }

  public init?(name: String) {
    guard let match = DType.allCases.first(where: { $0.name == name }) else { return nil }
    self = match
  }

  /// Bytes of one row of `columns` elements; rows of quantised types are padded to whole blocks.
  public func rowBytes(columns: Int) -> Int {
    (columns + block.elements - 1) / block.elements * block.bytes
  }
}

import TensorCore
import Terminal

/// What the matrices of a new model are stored as: --f32, --f16, --bf16, --q8, --q4k.
enum MatrixType {
  private static let all: [(flag: String, dtype: DType, help: String)] = [
    ("f32", .f32, "store the matrices as 32-bit floats"), ("f16", .f16, "as IEEE half floats"), ("bf16", .bf16, "as bfloat16"),
    ("q8", .q8_0, "as Q8_0, 8.5 bits a weight"), ("q4k", .q4_K, "as Q4_K, 4.5 bits a weight"),
  ]

  static let options = all.map { CommandOption($0.flag, help: $0.help) }
  static let flags = all.map(\.flag)

  /// nil keeps each matrix as it is.
  static func wanted(_ arguments: Arguments) -> DType? { all.first { arguments.has($0.flag) }?.dtype }
}

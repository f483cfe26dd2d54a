import Formats
import JSON
import TensorCore
import TestSupport
import Transformer

/// Reference numbers come from PyTorch/transformers in float32 (../shared/reference/README.md).
enum ReferenceModels {
  static let names = ["stories260K", "talespin-tiny", "talespin-15m"]

  static func open(_ name: String, on backend: any ComputeBackend) throws -> Llama {
    try Llama(try ModelSource.open(path: SharedData.path("models/\(name)")), on: backend)
  }

  static func ids(_ json: JSON?) -> [Int32] { json?.array?.compactMap { $0.int.map(Int32.init) } ?? [] }
  static func lists(_ json: JSON?) -> [[Int32]] { json?.array?.map { ids($0) } ?? [] }
  static func numbers(_ json: JSON?) -> [Double] { json?.array?.compactMap(\.double) ?? [] }
}

/// |a - b| relative to the reference b, or to `floor` where b is smaller.
func relativeError(_ a: Double, _ b: Double?, floor: Double = 1e-12) -> Double {
  guard let b else { return .infinity }
  return abs(a - b) / max(abs(b), floor)
}

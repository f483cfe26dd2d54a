import TensorCore

/// How far a backend's ops are from the reference's. A benchmark's sizes are too large for the reference, so a case of the same op and types
/// from the catalogue stands for them.
struct OpErrors {
  private let backend: any ComputeBackend
  private let catalogue: [OpCase]
  private var known: [String: Double] = [:]

  /// The reference does some ten million operations a second.
  private static let largest = (flops: 20_000_000, bytes: 8 << 20)

  init(on backend: any ComputeBackend) {
    self.backend = backend
    catalogue = OpCatalogue.agreement + (backend.activations == .bf16 ? OpCatalogue.mixed : [])
  }

  /// The largest error of an output of the case or its stand-in; nil if there is none that the reference can do.
  mutating func error(of item: OpCase) throws(BackendError) -> Double? {
    let key = "\(item.name) \(item.dtype.name)"
    if let error = known[key] { return error }
    let twins = catalogue.filter { $0.name == item.name && $0.dtype == item.dtype } + [item]
    let small = twins.filter { $0.flops <= OpErrors.largest.flops && $0.bytes <= OpErrors.largest.bytes }
    guard let twin = small.max(by: { $0.bytes < $1.bytes }) else { return nil }
    let expected = try twin.run(on: ReferenceBackend(activations: backend.activations), seed: 1)
    let error = OpComparison(try twin.run(on: backend, seed: 1), with: expected, twin.tolerance).error
    known[key] = error
    return error
  }
}

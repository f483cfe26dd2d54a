import Formats
import TensorCore
import Transformer

/// Whether a written model computes what it should, on a few short texts. Where every weight is the source's own, its logits are compared with
/// those of the whole model with the same parts passed by (`Bypass`), which knows nothing of how files are cut. Where weights were quantised
/// anew, or patches or another width came in, with the same plan built in memory, which has the same bytes and another way to them.
public struct CutProof: Sendable, Equatable {
  public enum Against: String, Sendable {
    case bypass, memory
  }

  public let against: Against
  /// max |written - expected| / max |expected| over all logits.
  public let difference: Double
  public let tokens: Int

  /// Logits are large: so many texts, and tokens of each, are looked at.
  private static let texts = 3
  private static let length = 32

  /// Sums of products in another order differ by 1e-6; an error of the cut by 1e-2 and more. bf16 activations round at 4e-3 each.
  private static func tolerance(_ backend: any ComputeBackend) -> Double { backend.activations == .f32 ? 1e-4 : 0.1 }

  public var isGood: Bool { difference <= limit }
  private let limit: Double

  /// - Parameters:
  ///   - written: the model as it was read back.
  ///   - base: the whole model, on the same backend.
  ///   - plan: what was written, of `cuts`.
  ///   - prompts: empty takes made-up ids.
  public init(written: Llama, base: Llama, _ plan: ModelImport, _ cuts: CutPlan, prompts: [[Int32]]) throws {
    let made = (0..<CutProof.texts).map { text in
      (0..<CutProof.length).map { Int32((7919 * (text * CutProof.length + $0) + 11) % base.config.vocabularySize) }
    }
    let texts = (prompts.isEmpty ? made : prompts).prefix(CutProof.texts).map { Array($0.prefix(CutProof.length)) }
    let backend = base.backend
    let layout = try PackedLayout(lengths: texts.map(\.count), on: backend)
    let ids = try Tensor(Array(texts.joined()), on: backend)
    let isBypass = plan.keepsWeights && cuts.width == nil && cuts.patches.isEmpty
    let expected =
      isBypass
      ? try Bypass(base, cuts).hidden(ids, layout).linear(base.head).floats()
      : try CutProof.logits(Llama(plan, on: backend, sharing: base), ids, layout)
    let found = try CutProof.logits(written, ids, layout)
    var (error, scale) = (Float(0), Float(0))
    for (a, b) in zip(found, expected) {
      error = a.isFinite && b.isFinite ? max(error, abs(a - b)) : .infinity
      scale = max(scale, abs(b))
    }
    against = isBypass ? .bypass : .memory
    difference = Double(error / max(scale, .leastNormalMagnitude))
    tokens = layout.rows
    limit = CutProof.tolerance(backend)
  }

  private static func logits(_ model: Llama, _ ids: Tensor, _ layout: PackedLayout) throws(BackendError) -> [Float] {
    try model.hidden(ids, layout, in: Eager(ownsStream: true)).linear(model.head).floats()
  }

  /// A sentence for a person.
  public var description: String {
    let number = difference == 0 ? "0" : "\(Float(difference))"
    let sides =
      switch against {
      case .bypass: "logits equal those of the whole model with the same parts passed by"
      case .memory: "logits equal those of the same plan built in memory, weights as stored"
      }
    return "\(sides), largest relative difference \(number) on \(tokens) tokens"
  }
}

extension ModelImport {
  /// Whether every weight is a weight of the source, to the last bit: nothing is converted but to f32, which holds every dense type, and no
  /// row of a quantised matrix is cut open.
  var keepsWeights: Bool {
    items.allSatisfy { item in
      guard item.copied == nil, let source = item.source else { return true }
      return source.dtype.isDense && (item.dtype == source.dtype || item.dtype == .f32)
    }
  }
}

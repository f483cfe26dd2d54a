import Formats
import TensorCore
import Testing

@Suite("Hugging Face folders")
struct HuggingFaceFolderTests {
  @Test("single and sharded folders of one model agree", .enabled(if: SharedModels.areThere, "the shared models are not there"))
  func singleAndSharded() throws {
    let single = try ModelSource.open(path: SharedModels.path("stories260K"))
    let sharded = try ModelSource.open(path: SharedModels.path("stories260K-bf16-sharded"))
    #expect(single.config == sharded.config)
    #expect(single.config.layers == Array(repeating: .init(queryHeads: 8, keyHeads: 4, intermediateSize: 172), count: 5))
    #expect(single.config.eosTokens == [1, 2])
    #expect(single.config.bosToken == 1)
    #expect(single.config.parameterCount == 260_032)
    #expect(single.tensors.values.allSatisfy { $0.dtype == .f32 })
    #expect(sharded.tensors.values.allSatisfy { $0.dtype == .bf16 })
    #expect(Set(single.tensors.keys) == Set(sharded.tensors.keys))
    #expect(single.tokenizer == sharded.tokenizer)
    // Rounding to bf16 keeps the upper half of each float to within one step.
    let (a, b) = (single.tensors[TensorName.embedding]!, sharded.tensors[TensorName.embedding]!)
    for i in 0..<a.shape.count {
      let wide = a.bytes.loadUnaligned(fromByteOffset: 4 * i, as: Float.self)
      let narrow = Float(bitPattern: UInt32(b.bytes.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)) << 16)
      #expect(abs(wide - narrow) <= abs(wide) / 256)
    }
  }
}

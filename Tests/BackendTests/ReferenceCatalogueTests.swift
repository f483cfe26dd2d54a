import TensorCore
import TensorTesting
import Testing

/// The catalogue itself, run on the reference backend: it must not trespass, and its results must be the kind of numbers that can be compared.
@Suite struct ReferenceCatalogueTests {
  static let seed: UInt64 = 1

  @Test("the reference writes every value of its outputs and nothing else", arguments: OpCatalogue.agreement)
  func reference(_ item: OpCase) throws { try check(item, on: ReferenceBackend()) }

  @Test("so does the reference with bf16 activations", arguments: OpCatalogue.mixed)
  func mixed(_ item: OpCase) throws { try check(item, on: ReferenceBackend(activations: .bf16)) }

  private func check(_ item: OpCase, on reference: ReferenceBackend) throws {
    let result = try item.run(on: reference, seed: Self.seed)
    #expect(result.trespasses == [])
    #expect(result.outputs.count > 0)
    let mayBeSpecial = ["extremes", "pattern", "ruled out", "roundings"].contains { item.name.contains($0) }
    for output in result.outputs where !mayBeSpecial {
      #expect(!output.values.contains { $0.isNaN }, "\(output.name) holds NaN: unwritten, or computed from what must not be read")
    }
  }

  @Test("names of cases are unique, so that a failure names one")
  func names() {
    let descriptions = (OpCatalogue.agreement + OpCatalogue.mixed).map(\.description)
    let repeated = Dictionary(grouping: descriptions, by: { $0 }).filter { $0.value.count > 1 }.keys.sorted()
    #expect(repeated == [])
  }

  @Test("few cases are too large for an emulator")
  func sizes() {
    let large = (OpCatalogue.agreement + OpCatalogue.mixed).filter { !$0.suitsEmulator }
    print("too large for an emulator: \(large.map(\.description).joined(separator: "; "))")
    #expect(large.count < 20)
  }

  @Test("the same seed gives the same inputs")
  func seeds() throws {
    for item in OpCatalogue.agreement.filter({ $0.group == "Norm" || $0.group == "Matmul" }).prefix(20) {
      let first = try item.run(on: ReferenceBackend(), seed: 7).outputs.map(\.values)
      let second = try item.run(on: ReferenceBackend(), seed: 7).outputs.map(\.values)
      #expect(first.elementsEqual(second) { $0.elementsEqual($1) { $0.bitPattern == $1.bitPattern } })
    }
  }
}

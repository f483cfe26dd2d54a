import Testing

@testable import Spelling

@Suite("Nearest names")
struct NearestNameTests {
  @Test(
    "swaps count as one change",
    arguments: [("rtaio", "ratio", 1), ("", "ab", 2), ("ab", "", 2), ("kitten", "sitting", 3), ("abcd", "badc", 2)])
  func changes(_ a: String, _ b: String, _ count: Int) { #expect(NearestName.changes(Array(a.utf8), Array(b.utf8)) == count) }

  @Test("slips are understood, other words and endless ones are not")
  func nearest() {
    let names = ["hellaswag", "mmlu", "arc_easy", "arc_challenge"]
    #expect(NearestName.nearest(to: "HelaSwag", in: names) == "hellaswag")
    #expect(NearestName.nearest(to: "arc", in: names) == "arc_easy")
    #expect(NearestName.nearest(to: "mlmu", in: names) == "mmlu")
    for word in ["", "boolq", "xyzw", "ar", String(repeating: "hellaswag", count: 100)] {
      #expect(NearestName.nearest(to: word, in: names) == nil, "\(word)")
    }
    #expect(NearestName.hint(for: "mmul", in: names) == "; did you mean 'mmlu'?" && NearestName.hint(for: "winogrande", in: names) == "")
  }
}

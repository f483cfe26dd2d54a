import Evaluation
import Testing

@testable import Tasks

/// Against Python 3.11's `re.findall` and `re.sub`, and the harness's regex filter.
struct AnswerFilterTests {
  @Test(
    "all matches are found as re.findall finds them",
    arguments: [
      ("(a)|(b)", "xaby", [["a", ""], ["", "b"]]), ("x*", "abxd", [[""], [""], ["x"], [""], [""]]),
      ("[0-9]+", "a1 22 b333", [["1"], ["22"], ["333"]]),
      ("(-?[$0-9.,]{2,})|(-?[0-9]+)", "it is $1,234.5 and 7, -3", [["$1,234.5", ""], ["7,", ""], ["", "-3"]]),
      ("(\\w)(\\d)?", "a1b é2", [["a", "1"], ["b", ""], ["é", "2"]]), ("\\b", "ab cd", [[""], [""], [""], [""]]), ("z", "abc", []),
    ])
  func findAll(_ pattern: String, _ text: String, _ expected: [[String]]) throws {
    #expect(try TextPattern(pattern).findAll(in: text) == expected)
  }

  @Test(
    "replacing is re.sub's",
    arguments: [
      ("x*", "-", "abxd", "-a-b--d-"), ("(a)(b)?", "<\\2\\1>", "abac", "<ba><a>c"), ("(?s).*#### ", "", "a\nb#### 12", "12"),
      ("\\.$", "", "a.", "a"),
      ("(?P<n>b)", "\\g<1>\\g<1>", "abc", "abbc"),
    ])
  func replacing(_ pattern: String, _ replacement: String, _ text: String, _ expected: String) throws {
    #expect(try TextPattern(pattern).replacing(in: text, with: replacement) == expected)
  }

  @Test("a replacement with a group that is not there is refused")
  func groups() throws {
    #expect(throws: TextPattern.Refusal.self) { try TextPattern("a").replacing(in: "a", with: "\\1") }
  }

  @Test("GSM8K's filters take the answer out, or say that there is none")
  func gsm8k() throws {
    let catalogue = try TaskCatalogue()
    let filters = try #require(catalogue.layouts("gsm8k")?.first?.filters)
    #expect(filters.map(\.name) == ["strict-match", "flexible-extract"])
    let answers = ["She has 3 + 4 = 7.\n#### 7", "so that is $1,250.50 in all", "no idea", "12 apples"]
    #expect(try answers.map { try filters[0].apply($0) } == ["7", "[invalid]", "[invalid]", "[invalid]"])
    #expect(try answers.map { try filters[1].apply($0) } == ["7", "$1,250.50", "[invalid]", "12"])
    let cot = try #require(catalogue.layouts("gsm8k_cot")?.first?.filters)
    #expect(try cot[0].apply("5 + 4 = 9. The answer is 9.") == "9")
  }
}

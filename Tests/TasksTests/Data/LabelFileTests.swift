import Formats
import TestSupport
import Testing

@testable import Tasks

/// Answers in a file of their own, and rows that are lines of a text.
struct LabelFileTests {
  private static let rows = (0..<3).map { #"{"goal": "g\#($0)", "sol1": "a", "sol2": "b"}"# + "\n" }.joined()

  private func data(_ labels: String?, in folder: TemporaryFolder) throws -> TaskData {
    try folder.writeDeep("piqa/valid.jsonl", Self.rows)
    if let labels { try folder.writeDeep("piqa/valid-labels.lst", labels) }
    return try TaskCatalogue().select(["piqa"], in: folder.path).tasks[0]
  }

  @Test("each row has the label of its line, whatever ends the lines", arguments: ["1\n0\n1\n", "1\r\n0\r\n1", "\u{feff}1\n0\n1\n"])
  func labels(_ text: String) throws {
    let folder = try TemporaryFolder()
    let data = try data(text, in: folder)
    #expect(try (0..<3).map { try data.question($0, examples: []).gold } == [[1], [0], [1]])
    #expect(data.paths == ["piqa/valid.jsonl", "piqa/valid-labels.lst"].map(folder.file))
    #expect(try self.data("1\n0\n0\n", in: folder).fingerprint != data.fingerprint)
  }

  @Test(
    "labels that are none are refused with their file and line",
    arguments: [
      ("1\n0\n", "has 2 labels for 3 rows"), ("1\n0\n1\n1\n", "has 4 labels for 3 rows"),
      ("1\nx\n1\n", "line 2: 'x' is no whole number"),
      ("1\n 0\n1\n", "line 2: ' 0' is no whole number"), ("1\n\n1\n", "line 2: is empty; a label is missing"),
      ("1\n0\n+1\n", "line 3: '+1' is no whole number"), ("1\n0\n1.0\n", "line 3: '1.0' is no whole number"),
      ("1\n0\n99999999999\n", "line 3: '99999999999' is no whole number"),
      ("1\n2\n1\n", "line 2: 2 is no choice; there are 2, counted from 0"),
      ("1\n-1\n1\n", "line 2: is -1: this row does not say which answer is right"),
    ])
  func wrong(_ labels: String, _ reason: String) throws {
    let folder = try TemporaryFolder()
    let error = #expect(throws: (any Error).self) {
      let data = try data(labels, in: folder)
      for index in 0..<3 { _ = try data.question(index, examples: []) }
    }
    #expect("\(error!)" == folder.file("piqa/valid-labels.lst") + ": " + reason)
  }

  @Test("rows without labels say which file is missing")
  func missing() throws {
    let folder = try TemporaryFolder()
    let error = #expect(throws: TaskError.self) { try data(nil, in: folder) }
    #expect(
      error?.description == folder.file("piqa/valid-labels.lst") + ": is missing; it has the answers to " + folder.file("piqa/valid.jsonl"))
  }

  @Test("LAMBADA's plain text has a row a line")
  func lines() throws {
    let folder = try TemporaryFolder()
    try folder.write("lambada_test_plain_text.txt", "he said the word\r\n\nshe wrote one more line")
    let data = try TaskCatalogue().select(["lambada_standard"], in: folder.path).tasks[0]
    #expect(data.count == 2 && data.paths == [folder.file("lambada_test_plain_text.txt")])
    #expect(try data.question(0, examples: []) == Question(contexts: ["he said the"], continuations: [" word"]))
    #expect(try data.question(1, examples: []) == Question(contexts: ["she wrote one more"], continuations: [" line"]))
    #expect(data.place(of: 1).hasSuffix("lambada_test_plain_text.txt: line 3"))
    // Other texts of that folder are no tasks.
    #expect(throws: TaskError.self) { try TaskCatalogue().select(["lambada_test_plain_text"], in: folder.path) }
  }
}

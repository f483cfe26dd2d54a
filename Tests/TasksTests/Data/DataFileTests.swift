import Formats
import Glibc
import JSON
import TestSupport
import Testing

@testable import Tasks

/// Where rows are looked for, in which form they may lie there, and what is wrong with some.
struct DataFileTests {
  private static let good = #"{"context": "a b", "choices": ["c", "d"], "label": 1}"#

  private func message(_ name: String, _ text: [UInt8], task: String = "mine", index: Int = 0) throws -> String? {
    let folder = try TemporaryFolder()
    try folder.write(name, text)
    do {
      let data = try TaskCatalogue().select([task], in: folder.path).tasks[0]
      _ = try data.question(index, examples: [])
      return nil
    } catch { return "\(error)".replacing(folder.path + "/", by: "") }
  }

  @Test(
    "a bad row is one line with file, line and field",
    arguments: [
      (
        #"{"context": "a", "choices": ["b"]}"#,
        "mine.jsonl: line 1: has the fields context, choices; mine takes rows with contexts, continuation, label; or context, choices, label; or context, target; or text"
      ),
      (good + "\n\n" + #"{"context": "a", "choices": ["b"]}"#, "mine.jsonl: line 3: label: is missing; doc_to_target of mine needs it"),
      (
        good + "\n" + #"{"context": "a", "choices": ["b", "c"], "label": 2}"#,
        "mine.jsonl: line 2: label: 2 is no choice; there are 2, counted from 0"
      ),
      (
        good + "\n" + #"{"context": "a", "choices": ["b", "c"], "label": -1}"#,
        "mine.jsonl: line 2: label: is -1: this row does not say which answer is right"
      ),
      (good + "\n" + #"{"context": "a", "choices": ["b", "c"], "label": "e"}"#, "mine.jsonl: line 2: label: 'e' is none of the 2 choices"),
      (
        good + "\n" + #"{"context": "a", "choices": ["b", "c"], "label": ""}"#,
        "mine.jsonl: line 2: label: is empty: this row does not say which answer is right"
      ),
      (
        good + "\n" + #"{"context": "a", "choices": ["b", "c"], "label": 0.5}"#,
        "mine.jsonl: line 2: label: must be the number of a choice or its text, not a number"
      ),
      (good + "\n" + #"{"context": "a", "choices": [], "label": 0}"#, "mine.jsonl: line 2: choices: holds no choices"),
      (good + "\n" + #"{"context": "a", "choices": ["b", ""], "label": 0}"#, "mine.jsonl: line 2: choices: choice 2 is empty"),
      (
        good + "\n" + #"{"context": "a", "choices": "b", "label": 0}"#, "mine.jsonl: line 2: choices: must be a list of choices, not a text"
      ),
      (good + "\n{\"context\": ", "mine.jsonl: line 2: not valid JSON at byte 12: text ends where a value should stand"),
      (good + "\n[1]", "mine.jsonl: line 2: must be an object with named fields, not a list"),
      (
        #"{"context": "a", "target": " b"}"# + "\n" + #"{"context": "a", "target": ""}"#,
        "mine.jsonl: line 2: doc_to_target: is empty: there is no answer"
      ),
      ("\n\n", "mine.jsonl: holds no rows"),
    ])
  func badRow(_ text: String, _ expected: String) throws {
    let index = text.hasPrefix(Self.good) || text.contains("\n{") && text.hasPrefix("{") ? 1 : 0
    #expect(try message("mine.jsonl", Array(text.utf8), index: index) == expected)
  }

  @Test("bytes that are not UTF-8 are refused where they are")
  func encoding() throws {
    let bad = Array(#"{"context": "a"#.utf8) + [0xff] + Array(#"", "choices": ["b"], "label": 0}"#.utf8)
    #expect(
      try message("mine.jsonl", Array((Self.good + "\n").utf8) + bad, index: 1)
        == "mine.jsonl: line 2: not valid JSON at byte 13: a string that is not UTF-8")
    #expect(
      try message("piqa.csv", Array("goal,sol1,sol2,label\na,".utf8) + [0xff] + Array(",c,0\n".utf8), task: "piqa")
        == "piqa.csv: line 2: field 2 is not UTF-8")
  }

  @Test(
    "CSV that is none is refused with its line",
    arguments: [
      ("goal,sol1,sol2,label\na,b,0\n", "piqa.csv: line 2: has 3 fields, and there are 4 columns"),
      ("goal,sol1,sol2,label\n\"a\nb,c,0\n", "piqa.csv: line 2: a field in quotes has no closing quote"),
      ("goal,sol1,sol2,label\n\"a\"x,b,c,0\n", "piqa.csv: line 2: field 1 goes on behind its closing quote"),
      ("goal,goal,sol1,label\na,b,c,0\n", "piqa.csv: line 1: names a column twice"),
      ("goal,sol1,sol2,label\n", "piqa.csv: holds no rows"),
      (
        "a,b\nc,d\n",
        "piqa.csv: line 2: has the fields a, b; piqa takes rows with goal, sol1, sol2, label; or goal, sol1, sol2 (label in *-labels.lst); or context, choices, label"
      ),
    ])
  func badCSV(_ text: String, _ expected: String) throws {
    #expect(try message("piqa.csv", Array(text.utf8), task: "piqa") == expected)
  }

  @Test("fields of CSV in quotes keep commas, line ends and quotes; others keep a quote inside")
  func quotes() throws {
    let folder = try TemporaryFolder()
    try folder.write("piqa_val.csv", "\u{feff}label,goal,sol1,sol2\r\n0,\"a, \"\"b\"\"\r\nc\",5\" pipe,\r\n1,x,y,z")
    let data = try TaskCatalogue().select(["piqa"], in: folder.path).tasks[0]
    #expect(data.count == 2)
    #expect(try data.row(0).isSame(["label": "0", "goal": "a, \"b\"\r\nc", "sol1": "5\" pipe", "sol2": ""]))
    #expect(try data.question(1, examples: []).gold == [1])
  }

  @Test(
    "a JSON file may hold a list, lines, columns or a page of the datasets server",
    arguments: [
      "[\(good),\n \(good)]", "\(good)\n\(good)\n", #"{"context": ["a b", "e"], "choices": [["c", "d"], ["f", "g"]], "label": [1, 0]}"#,
      #"{"context": {"0": "a b", "1": "e"}, "choices": {"0": ["c", "d"], "1": ["f", "g"]}, "label": {"0": 1, "1": 0}}"#,
      #"{"context": {"7": "a b", "12": "e"}, "choices": {"7": ["c", "d"], "12": ["f", "g"]}, "label": {"7": 1, "12": 0}}"#,
      #"{"features": [], "rows": [{"row_idx": 0, "row": \#(good), "truncated_cells": []}, {"row_idx": 1, "row": \#(good)}], "num_rows_total": 2}"#,
    ])
  func json(_ text: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("mine.json", text)
    let data = try TaskCatalogue().select(["mine"], in: folder.path).tasks[0]
    #expect(data.count == 2)
    #expect(
      try data.question(0, examples: []) == Question(contexts: ["a b"], continuations: [" c", " d"], choices: ["c", "d"], gold: [1]))
  }

  @Test(
    "JSON that is no list of rows is refused",
    arguments: [
      ("[\(good)", "mine.json: line 1: the list ends in the middle of an element"),
      ("[\(good)] x", "mine.json: line 1: text behind the end of the list"),
      ("[\(good) \(good)]", "mine.json: line 1: expected ',' or ']' behind an element of the list"), ("[]", "mine.json: holds no rows"),
      ("3", "mine.json: must be a list of rows, columns, or JSON lines, not a number"),
      ("[1]", "mine.json: row 1 (line 1): must be an object with named fields, not a number"),
      (
        #"{"rows": [{"row": \#(good), "truncated_cells": []}, {"row": \#(good), "truncated_cells": ["context"]}]}"#,
        "mine.json: row 2: context: was cut short by the datasets server; take the rows from the data set's own files"
      ),
      (
        #"{"context": {"0": "a"}, "choices": [["b", "c"]], "label": {"0": 0}}"#,
        "mine.json: row 1: label: must be the number of a choice or its text, not an object"
      ),
    ])
  func badJSON(_ text: String, _ expected: String) throws {
    let message = try message("mine.json", Array(text.utf8))
    #expect(message == expected || text == "[\(Self.good)" && message?.hasPrefix("mine.json: line 1: ") == true)
  }

  @Test("a page of the datasets server that is a part says so")
  func parts() throws {
    let folder = try TemporaryFolder()
    func notes(_ rest: String) throws -> [String] {
      try folder.write("mine.json", #"{"rows": [{"row_idx": 0, "row": \#(Self.good)}], \#(rest)}"#)
      return try TaskCatalogue().select(["mine"], in: folder.path).notes.map { $0.replacing(folder.path + "/", by: "") }
    }
    #expect(try notes(#""num_rows_total": 5000, "partial": false"#) == ["mine.json holds 1 of 5000 rows"])
    #expect(try notes(#""num_rows_total": 1, "partial": true"#) == ["mine.json holds a part of the rows only"])
    #expect(try notes(#""num_rows_total": 1, "partial": false"#) == [])
  }

  @Test("columns that do not fit in memory are refused with the way out")
  func large() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("mine.json", "{\"text\": [\"")
    // Zeros that take no room on the disk.
    #expect(truncate(path, 129 << 20) == 0)
    let error = #expect(throws: TaskError.self) { try TaskCatalogue().select(["mine"], in: folder.path) }
    #expect(error?.description == path + ": is one JSON value of 129 MiB; write it as JSON lines (one row a line)")
  }

  @Test("true and false as CSV has them are 1 and 0 of two choices", arguments: [("True", 1), ("False", 0), ("true", 1), ("FALSE", 0)])
  func booleans(_ text: String, _ gold: Int) throws {
    let folder = try TemporaryFolder()
    try folder.write("boolq_dev.csv", "question,passage,answer\nis it,It is.,\(text)\n")
    #expect(try TaskCatalogue().select(["boolq"], in: folder.path).tasks[0].question(0, examples: []).gold == [gold])
    try folder.write(
      "arc_easy.jsonl", #"{"question": "a?", "choices": {"text": ["b", "c", "d"], "label": [1, 2, 3]}, "answerKey": "\#(text)"}"#)
    let three = try TaskCatalogue().select(["arc_easy"], in: folder.path).tasks[0]
    #expect(throws: FormatError.self) { try three.question(0, examples: []) }
  }

  @Test("of several files, JSON lines come before JSON and CSV, and then the place decides")
  func order() throws {
    let folder = try TemporaryFolder()
    mkdir(folder.file("hellaswag"), 0o700)
    func found() throws -> String {
      try TaskCatalogue().select(["hellaswag"], in: folder.path).tasks[0].paths[0].replacing(folder.path + "/", by: "")
    }
    for name in ["hellaswag/validation.csv", "hellaswag.csv", "hellaswag_val.json", "hellaswag.json", "hellaswag/hellaswag-Dev.jsonl"] {
      try folder.write(name, name.hasSuffix("csv") ? "context,choices,label\n" + "a,b,0\n" : Self.good)
      #expect(try found() == name)
    }
  }

  @Test(
    "files are found in the usual places",
    arguments: [
      "hellaswag.jsonl", "hellaswag/validation.jsonl", "hellaswag_val.json", "hellaswag/dev.jsonl", "Rowan/hellaswag/validation.jsonl",
      "hellaswag/hellaswag_val.jsonl", "hellaswag/hellaswag-Val.jsonl", "hellaswag/validation-00000-of-00001.jsonl",
    ])
  func places(_ path: String) throws {
    let folder = try TemporaryFolder()
    try folder.writeDeep(path, Self.good)
    #expect(try TaskCatalogue().select(["hellaswag"], in: folder.path).tasks[0].paths == [folder.file(path)])
  }

  @Test("what is not there is said with the names that were looked for; Parquet with the way out of it")
  func absent() throws {
    let folder = try TemporaryFolder()
    let catalogue = try TaskCatalogue()
    func message(_ task: String) -> String? {
      do { _ = try catalogue.select([task], in: folder.path) } catch { return error.description.replacing(folder.path, by: "DATA") }
      return nil
    }
    #expect(message("hellaswog") == "there is no task 'hellaswog', and no hellaswog.jsonl in DATA; did you mean 'hellaswag'?")
    #expect(
      message("piqa")
        == "DATA has no data for piqa: looked for piqa.jsonl, piqa/validation.jsonl, piqa_validation.jsonl, baber/piqa.jsonl, baber/piqa/validation.jsonl, "
        + "baber/piqa_validation.jsonl, ybisk/piqa.jsonl, ybisk/piqa/validation.jsonl, ybisk/piqa_validation.jsonl … (or .json, .csv; val or dev or valid for validation)"
    )
    #expect(message("lambada_standard")?.contains("cimec/lambada_test.jsonl, lambada_test_plain_text.txt … (or .json, .csv)") == true)
    #expect(message("mmlu")?.hasPrefix("DATA has no data for mmlu_abstract_algebra: looked for mmlu/abstract_algebra.jsonl, ") == true)
    #expect(message("../x") == "there is no task '../x', and no ../x.jsonl in DATA")
    try folder.write("piqa_validation.parquet", "PAR1")
    #expect(
      message("piqa")?.hasPrefix(
        "DATA/piqa_validation.parquet is in Parquet, which hoof does not read; for piqa write it as JSON lines: python3 -c ") == true)
  }
}

extension String {
  fileprivate func replacing(_ old: String, by new: String) -> String { (try? PythonText.replacing(old, by: new, in: self)) ?? self }
}

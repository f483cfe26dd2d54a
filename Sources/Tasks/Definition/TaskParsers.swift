import Evaluation
import Formats
import JSON

/// Every parser of this module over bytes or a file alone, for fuzzing. Each throws for what it does not accept.
package enum TaskParsers {
  private static let row: JSON.Object = [
    "question": " What é? ", "choices": ["text": ["a", "b"], "label": ["A", "B"]], "n": 3, "list": ["x", "y", "z"], "key": "B", "none": nil,
  ]

  /// Read once: all built-in definitions are read for it, which takes longer than a small file of rows.
  private static let neutral = Result { try TaskCatalogue().neutralLayouts("fuzz") }

  /// A template, and the text it makes of a row.
  package static func template(_ bytes: [UInt8]) throws { _ = try Template(String(decoding: bytes, as: UTF8.self)).text(row) }

  /// A file of definitions, and a question by each of its layouts.
  package static func definitions(_ bytes: [UInt8]) throws {
    for object in try TaskCatalogue.entries(bytes, path: "fuzz.json") {
      if object["group"] != nil {
        _ = try TaskGroup(Fields(path: "fuzz.json", object: object))
        continue
      }
      for object in try Repetition.expanded(object, path: "fuzz.json") {
        for layout in try TaskDefinition.layouts(of: object, path: "fuzz.json") {
          let scope = TemplateScope(row: row, constants: layout.constants)
          _ = try layout.prompt.text?.text(scope)
          _ = try layout.description?.text(scope)
          for filter in layout.filters { _ = try filter.apply("so 2 + 2 = 4\n#### 4") }
        }
      }
    }
  }

  /// A file of answers to three rows.
  package static func labels(at path: String) throws {
    let labels = try LabelRows(path: path, field: "label", count: 3)
    for index in 0..<3 { _ = labels.label(index) }
  }

  /// A data file: all of its rows, as questions where they have hoof's neutral form.
  package static func rows(at path: String) throws {
    let layouts = try neutral.get()
    let file = try OpenFiles().open(path, for: layouts)
    for index in 0..<file.count { _ = try file.row(index) }
    guard let rows = try OpenFiles().rows(at: path, named: "fuzz", layouts: layouts) else { return }
    let data = try TaskData(questions: rows, source: .rows(rows), leavesQuestionOut: true, exampleNote: nil)
    for index in 0..<data.count {
      var sampler = FewShotSampler(data, count: index % 2)
      let question = try data.question(index, examples: try sampler.next(for: index))
      precondition(question.gold.allSatisfy(question.choices.indices.contains), "an answer that is no choice")
    }
  }
}

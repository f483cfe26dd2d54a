import JSON
import TestSupport

/// Rows of ../shared/data/tasks in the layouts that benchmarks are published in, with what those layouts are known for put in: brackets in
/// HellaSwag, digits for letters in ARC, a space in front of OpenBookQA's answers. A script made the same rows for lm-evaluation-harness.
enum StockRows {
  static let tasks = [
    "hellaswag", "arc_easy", "arc_challenge", "boolq", "lambada_openai", "lambada_standard", "winogrande", "piqa", "openbookqa", "copa",
    "truthfulqa_mc1", "truthfulqa_mc2", "gsm8k", "gsm8k_cot", "commonsense_qa", "wikitext", "mmlu_anatomy", "mmlu_astronomy",
  ]

  /// Tasks that ask their validation set.
  private static let validated: Set = [
    "hellaswag", "boolq", "winogrande", "piqa", "copa", "truthfulqa_mc1", "truthfulqa_mc2", "commonsense_qa",
  ]

  /// Rows by split. The examples' set holds two of the questions, twice each.
  static func splits(_ task: String, _ layout: (String, JSON, Int) throws -> JSON = stock) throws -> [String: [JSON]] {
    func made(_ rows: some Sequence<JSON>) throws -> [JSON] { try rows.enumerated().map { try layout(task, $0.element, $0.offset) } }
    if task.hasPrefix("mmlu") {
      func subject(_ rows: [JSON]) -> some Sequence<JSON> { rows.filter { $0["subject"]?.string == String(task.dropFirst(5)) } }
      return ["test": try made(subject(try lines("mmlu.jsonl")).prefix(12)), "dev": try made(subject(try lines("mmlu_dev.jsonl")))]
    }
    let rows = try made(try source(task).prefix(30))
    let (asked, other) = (Array(rows[0..<12]), Array(rows[24..<30]))
    return [
      "train": Array(rows[12..<20] + rows[0..<2] + rows[0..<2]), "validation": validated.contains(task) ? asked : other,
      "test": validated.contains(task) ? other : asked,
    ]
  }

  static func write(_ task: String, _ splits: [String: [JSON]], into folder: TemporaryFolder, at path: String? = nil) throws {
    for (split, rows) in splits {
      try folder.write("\(path ?? task)_\(split).jsonl", rows.map { $0.text() + "\n" }.joined())
    }
  }

  private static func lines(_ name: String) throws -> [JSON] {
    String(decoding: try SharedData.bytes("data/tasks/" + name), as: UTF8.self).split(separator: "\n").map {
      try! JSON(parsing: String($0))
    }
  }

  private static func source(_ task: String) throws -> [JSON] {
    switch task {
    case "lambada_openai", "lambada_standard": return try lines("lambada_openai.jsonl")
    case "openbookqa": return try lines("openbook_qa.jsonl")
    case "truthfulqa_mc1", "truthfulqa_mc2": return try lines("truthfulqa_gen.jsonl")
    case "gsm8k", "gsm8k_cot": return try lines("gsm8k_test.jsonl")
    case "wikitext":
      let scalars = Array(String(decoding: try SharedData.bytes("data/text/wikitext2_valid.txt"), as: UTF8.self).unicodeScalars)
      return (0..<30).map { i in ["text": .string(String(String.UnicodeScalarView(scalars[i * 1500..<(i + 1) * 1500])))] }
    default: return try lines(task + ".jsonl")
    }
  }

  private static let letters: [JSON] = ["A", "B", "C", "D", "E"]

  /// As `datasets` writes the rows.
  static func stock(_ task: String, _ row: JSON, _ i: Int) throws -> JSON {
    let context = row["context"]?.string ?? ""
    let choices = row["choices"]?.array ?? []
    let label = row["label"]?.int ?? 0
    switch task {
    case "hellaswag":
      let (activity, rest) = cut(context, ": ")
      let (a, b) = cut(rest, " ", last: true)
      var endings = choices
      if i % 3 == 0 { endings[0] = .string(endings[0].string! + " [step] done") }
      return [
        "activity_label": .string(activity), "ctx_a": .string(a + (i % 2 == 0 ? " [title] More [substeps]  it" : "")), "ctx_b": .string(b),
        "endings": .array(endings), "label": .string("\(label)"),
      ]
    case "arc_easy", "arc_challenge":
      let labels = Array((i % 4 == 3 ? ["1", "2", "3", "4", "5"] : letters).prefix(choices.count))
      return [
        "question": .string(String(context.dropFirst("Question: ".count))), "choices": ["text": .array(choices), "label": .array(labels)],
        "answerKey": labels[label],
      ]
    case "boolq":
      let (passage, question) = cut(context, "\nQuestion: ", last: true)
      return [
        "question": .string(String(question.dropLast())), "passage": .string(String(passage.dropFirst("Passage: ".count))),
        "label": .int(label),
      ]
    case "lambada_openai", "lambada_standard": return ["text": .string(context + (row["target"]?.string ?? ""))]
    case "winogrande":
      let words = row["contexts"]!.array!.map { $0.string!.split(separator: " ", omittingEmptySubsequences: false) }
      var same = 0
      while same < min(words[0].count, words[1].count) - 1, words[0][same] == words[1][same] { same += 1 }
      let start = words[0][..<same].joined(separator: " ") + (same > 0 ? " " : "")
      return [
        "sentence": .string(start + "_ " + row["continuation"]!.string!), "option1": .string(words[0][same...].joined(separator: " ")),
        "option2": .string(words[1][same...].joined(separator: " ")), "answer": .string("\(label + 1)"),
      ]
    case "piqa":
      return [
        "goal": .string(String(context.dropFirst("Question: ".count).dropLast())), "sol1": choices[0], "sol2": choices[1],
        "label": .int(label),
      ]
    case "openbookqa":
      return [
        "question_stem": .string(context), "choices": ["text": .array(choices), "label": .array(Array(letters.prefix(4)))],
        "answerKey": .string((i % 5 == 0 ? " " : "") + letters[label].string!),
      ]
    case "copa":
      let (premise, _) = context.contains(", ") ? cut(context, ", ", last: true) : cut(context, " ", last: true)
      let raised = choices.map { JSON.string($0.string!.prefix(1).uppercased() + $0.string!.dropFirst()) }
      return [
        "premise": .string(premise + ". "), "choice1": raised[0], "choice2": raised[1],
        "question": context.hasSuffix("therefore") ? "effect" : "cause", "label": .int(label),
      ]
    case "truthfulqa_mc1", "truthfulqa_mc2":
      let (right, wrong) = (row["correct_answers"]!.array!, row["incorrect_answers"]!.array!)
      func zeros(_ count: Int) -> [JSON] { Array(repeating: 0, count: count) }
      return [
        "question": row["question"]!,
        "mc1_targets": ["choices": .array([row["best_answer"]!] + wrong), "labels": .array([1] + zeros(wrong.count))],
        "mc2_targets": ["choices": .array(right + wrong), "labels": .array(right.map { _ in 1 } + zeros(wrong.count))],
      ]
    case "gsm8k", "gsm8k_cot": return ["question": row["question"]!, "answer": row["answer"]!]
    case "commonsense_qa":
      let lines = context.split(separator: "\n", omittingEmptySubsequences: false)
      return [
        "question": .string(lines[0].dropFirst("Question: ".count) + " "), "answerKey": letters[label],
        "choices": ["label": .array(letters), "text": .array(lines[2..<6].map { .string(String($0.dropFirst(3))) } + ["none of these"])],
      ]
    case "wikitext": return ["page": row["text"]!]
    default:
      return ["question": .string(" " + context + "\n"), "subject": row["subject"]!, "choices": .array(choices), "answer": .int(label)]
    }
  }

  private static func cut(_ text: String, _ separator: String, last: Bool = false) -> (String, String) {
    let (bytes, separator) = (Array(text.utf8), Array(separator.utf8))
    let places = (0...bytes.count - separator.count).filter { bytes[$0...].starts(with: separator) }
    let place = last ? places[places.count - 1] : places[0]
    return (String(decoding: bytes[..<place], as: UTF8.self), String(decoding: bytes[(place + separator.count)...], as: UTF8.self))
  }
}

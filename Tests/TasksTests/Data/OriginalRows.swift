import JSON
import TestSupport

/// The rows of `StockRows` in the layouts of the benchmarks' own releases, where these differ from what `datasets` writes.
enum OriginalRows {
  static let tasks = [
    "arc_easy", "openbookqa", "commonsense_qa", "boolq", "truthfulqa_mc1", "truthfulqa_mc2", "mmlu_anatomy", "mmlu_astronomy", "gsm8k",
    "piqa",
  ]

  static func write(_ task: String, into folder: TemporaryFolder) throws {
    let splits = try StockRows.splits(task)
    switch task {
    case "arc_easy", "openbookqa", "commonsense_qa":
      let name = ["arc_easy": "ARC-Easy", "openbookqa": "openbook_qa"][task] ?? "commonsense_qa"
      try StockRows.write(task, splits.mapValues { $0.map { nested($0) } }, into: folder, at: name)
    case "boolq":
      let rows = splits.mapValues {
        $0.map { (row: JSON) -> JSON in
          ["question": row["question"]!, "title": "", "answer": .bool(row["label"]!.int == 1), "passage": row["passage"]!]
        }
      }
      // The validation set is called dev there.
      try StockRows.write(task, ["train": rows["train"]!, "dev": rows["validation"]!], into: folder)
    case "truthfulqa_mc1", "truthfulqa_mc2":
      // One list, with choices as names and labels as values.
      let rows = splits["validation"]!.map { (row: JSON) -> JSON in
        func pairs(_ key: String) -> JSON {
          var object = JSON.Object()
          for (choice, label) in zip(row[key]!["choices"]!.array!, row[key]!["labels"]!.array!) { object[choice.string!] = label }
          return .object(object)
        }
        return ["question": row["question"]!, "mc1_targets": pairs("mc1_targets"), "mc2_targets": pairs("mc2_targets")]
      }
      try folder.write("mc_task.json", JSON.array(rows).text(pretty: true))
    case "gsm8k":
      // Pages of the datasets server, and columns.
      try folder.write("gsm8k_test.json", JSON.object(["rows": .array(splits["test"]!.map { ["row_idx": 0, "row": $0] })]).text())
      let train = splits["train"]!
      try folder.write(
        "gsm8k_train.json",
        JSON.object(["question": .array(train.map { $0["question"]! }), "answer": .array(train.map { $0["answer"]! })]).text())
    case "piqa":
      for (split, rows) in splits {
        let lines = rows.map { row in
          ["goal", "sol1", "sol2", "label"].map { quoted(row[$0]!.string ?? "\(row[$0]!.int!)") }.joined(separator: ",")
        }
        try folder.write("piqa_\(split).csv", "goal,sol1,sol2,label\r\n" + lines.map { $0 + "\r\n" }.joined())
      }
    default:
      // CSV without a header, the answer as a letter.
      let subject = task.dropFirst(5)
      for (split, rows) in splits {
        let lines = rows.map { row in
          ([row["question"]!] + row["choices"]!.array!).map { quoted($0.string!) }.joined(separator: ",")
            + "," + ["A", "B", "C", "D"][row["answer"]!.int!] + "\n"
        }
        try folder.write("\(subject)_\(split).csv", lines.joined())
      }
    }
  }

  /// {"question": {"stem", "choices": [{"text", "label"}]}, "answerKey"}
  private static func nested(_ row: JSON) -> JSON {
    let choices = zip(row["choices"]!["text"]!.array!, row["choices"]!["label"]!.array!).map { JSON.object(["text": $0, "label": $1]) }
    return ["question": ["stem": row["question_stem"] ?? row["question"]!, "choices": .array(choices)], "answerKey": row["answerKey"]!]
  }

  private static func quoted(_ text: String) -> String {
    "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }
}

import Glibc
import JSON
import TestSupport

/// The rows of `StockRows` in the files of the benchmarks' own releases, by the names that these have.
enum OriginalRows {
  static let tasks = [
    "hellaswag", "arc_easy", "arc_challenge", "openbookqa", "commonsense_qa", "boolq", "truthfulqa_mc1", "truthfulqa_mc2", "mmlu_anatomy",
    "mmlu_astronomy", "gsm8k", "gsm8k_cot", "piqa", "winogrande", "lambada_openai",
  ]

  static func write(_ task: String, into folder: TemporaryFolder) throws {
    let splits = try StockRows.splits(task)
    func write(_ path: String, _ split: String, _ row: (JSON) -> JSON = { $0 }) throws {
      try folder.writeDeep(path, splits[split]!.map { row($0).text() + "\n" }.joined())
    }
    switch task {
    case "hellaswag":
      for (split, name) in [("train", "train"), ("validation", "val")] {
        try write("hellaswag/data/hellaswag_\(name).jsonl", split) {
          changed($0, ["ind": 24, "label": .int(Int($0["label"]!.string!)!), "split_type": "indomain", "source_id": "activitynet~v_1"])
        }
      }
    case "arc_easy", "arc_challenge":
      let name = task == "arc_easy" ? "ARC-Easy" : "ARC-Challenge"
      for (split, title) in [("train", "Train"), ("validation", "Dev"), ("test", "Test")] {
        try write("ARC-V1-Feb2018-2/\(name)/\(name)-\(title).jsonl", split, nested)
      }
    case "openbookqa":
      for (split, name) in [("train", "train"), ("validation", "dev"), ("test", "test")] {
        try write("OpenBookQA-V1-Sep2018/Data/Main/\(name).jsonl", split, nested)
      }
    case "commonsense_qa":
      for (split, name) in [("train", "train"), ("validation", "dev")] { try write("\(name)_rand_split.jsonl", split, nested) }
    case "boolq":
      for (split, name) in [("train", "train"), ("validation", "dev")] {
        try write("boolq/\(name).jsonl", split) {
          ["question": $0["question"]!, "title": "", "answer": .bool($0["label"]!.int == 1), "passage": $0["passage"]!]
        }
      }
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
      try folder.writeDeep("TruthfulQA/data/mc_task.json", JSON.array(rows).text(pretty: true))
    case "gsm8k", "gsm8k_cot":
      for split in ["train", "test"] { try write("grade-school-math/grade_school_math/data/\(split).jsonl", split) }
    case "piqa": try writePIQA("piqa", validation: "valid", into: folder)
    case "winogrande":
      func identified(_ row: JSON) -> JSON { changed(row, ["qID": "3QHITW7OYO7Q6B6ISU2UMJB84ZLAQE-1"]) }
      try write("winogrande_1.1/dev.jsonl", "validation", identified)
      try write("winogrande_1.1/train_xl.jsonl", "train", identified)
      // Smaller ones lie beside it, which the harness does not take.
      try write("winogrande_1.1/train_xs.jsonl", "test", identified)
    case "lambada_openai": try write("data/lambada_test_en.jsonl", "test")
    default:
      // CSV without a header, the answer as a letter.
      let subject = task.dropFirst(5)
      for (split, rows) in splits {
        let lines = rows.map { row in
          ([row["question"]!] + row["choices"]!.array!).map { quoted($0.string!) }.joined(separator: ",")
            + "," + ["A", "B", "C", "D"][row["answer"]!.int!] + "\n"
        }
        try folder.writeDeep("data/\(split)/\(subject)_\(split).csv", lines.joined())
      }
    }
  }

  /// Rows and labels in files of their own.
  static func writePIQA(_ path: String, validation: String, into folder: TemporaryFolder) throws {
    let splits = try StockRows.splits("piqa")
    for (split, name) in [("train", "train"), ("validation", validation)] {
      let rows = splits[split]!.map { (row: JSON) -> JSON in ["goal": row["goal"]!, "sol1": row["sol1"]!, "sol2": row["sol2"]!] }
      try folder.writeDeep("\(path)/\(name).jsonl", rows.map { $0.text() + "\n" }.joined())
      try folder.writeDeep("\(path)/\(name)-labels.lst", splits[split]!.map { "\($0["label"]!.int!)\n" }.joined())
    }
  }

  private static func changed(_ row: JSON, _ members: JSON.Object) -> JSON {
    var object = row.object!
    for (name, value) in members.members { object[name] = value }
    return .object(object)
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

extension TemporaryFolder {
  /// Makes the folders in front of the file as well.
  func writeDeep(_ path: String, _ text: String) throws {
    for (i, letter) in path.enumerated() where letter == "/" { mkdir(file(String(path.prefix(i))), 0o700) }
    try write(path, text)
  }
}

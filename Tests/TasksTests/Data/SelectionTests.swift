import Formats
import JSON
import TestSupport
import Testing

@testable import Tasks

/// Groups, few-shot sources and hoof's neutral slices.
struct SelectionTests {
  private static let subjects = ["anatomy", "astronomy", "virology"]

  private func mmlu(_ folder: TemporaryFolder) throws {
    let rows = ["test": 4, "dev": 5].mapValues { count in
      Self.subjects.flatMap { subject in
        (0..<count).map {
          #"{"question": "\#(subject) \#($0)?", "subject": "\#(subject)", "choices": ["a", "b", "c", "d"], "answer": \#($0 % 4)}"#
        }
      }
    }
    for (split, rows) in rows { try folder.write("mmlu_\(split).jsonl", rows.joined(separator: "\n")) }
  }

  @Test("MMLU is the subjects that are there, in their groups; what is missing is said")
  func groups() throws {
    let folder = try TemporaryFolder()
    try mmlu(folder)
    let selection = try TaskCatalogue().select(["mmlu"], in: folder.path)
    #expect(selection.tasks.map(\.definition.name) == ["mmlu_anatomy", "mmlu_astronomy", "mmlu_virology"])
    #expect(selection.tasks.map(\.count) == [4, 4, 4])
    #expect(selection.groups.map(\.name) == ["mmlu", "mmlu_stem", "mmlu_other"])
    #expect(selection.groups[0].members == ["mmlu_stem", "mmlu_other"])
    #expect(selection.groups[1].members == ["mmlu_anatomy", "mmlu_astronomy"])
    #expect(selection.notes.contains("mmlu: no data for 2 of 4 tasks (mmlu_social_sciences, mmlu_humanities); the rest is asked"))
    #expect(
      selection.notes.contains { $0.hasPrefix("mmlu_stem: no data for 17 of 19 tasks (mmlu_abstract_algebra, mmlu_college_biology,") })
    #expect(try TaskCatalogue().select(["mmlu_stem", "mmlu_anatomy"], in: folder.path).tasks.count == 2)
    #expect(try TaskCatalogue().select(["mmlu_a*"], in: folder.path).tasks.map(\.definition.alias) == ["anatomy", "astronomy"])
  }

  @Test("MMLU's examples are the first of the development set, behind the description")
  func examples() throws {
    let folder = try TemporaryFolder()
    try mmlu(folder)
    let data = try TaskCatalogue().select(["mmlu_virology"], in: folder.path).tasks[0]
    var sampler = FewShotSampler(data, count: 1)
    #expect(
      try data.question(1, examples: try sampler.next(for: 1)).contexts == [
        "The following are multiple choice questions (with answers) about virology.\n\nvirology 0?\nA. a\nB. b\nC. c\nD. d\nAnswer: A\n\n"
          + "virology 1?\nA. a\nB. b\nC. c\nD. d\nAnswer:"
      ])
    var many = FewShotSampler(data, count: 6)
    let error = #expect(throws: FormatError.self) { try many.next(for: 0) }
    #expect(error?.reason == "has 5 rows for examples of mmlu_virology; 6 in front of a question need 6")
  }

  @Test("without a training set examples are other questions, and never the one that is asked")
  func fallback() throws {
    let folder = try TemporaryFolder()
    try folder.write("gsm8k_test.jsonl", (0..<8).map { #"{"question": "q\#($0)", "answer": "a #### \#($0)"}"# + "\n" }.joined())
    let data = try TaskCatalogue().select(["gsm8k"], in: folder.path).tasks[0]
    #expect(data.exampleNote == "gsm8k: \(folder.path) has no train set, so examples are other questions of the same file")
    var sampler = FewShotSampler(data, count: 5)
    for index in 0..<8 {
      let examples = try sampler.next(for: index)
      #expect(Set(examples).count == 5 && !examples.contains(index))
    }
  }

  @Test("tags name several tasks; a task named twice is opened once; the fingerprint is of definition and data")
  func tags() throws {
    let folder = try TemporaryFolder()
    for name in ["arc_easy", "arc_challenge"] {
      try folder.write(name + ".jsonl", #"{"context": "Question: a?", "choices": ["b", "c"], "label": 0}"#)
    }
    let catalogue = try TaskCatalogue()
    let selection = try catalogue.select(["ai2_arc", "arc_easy"], in: folder.path)
    #expect(Set(selection.tasks.map(\.definition.name)) == ["arc_easy", "arc_challenge"] && selection.tasks.count == 2)
    let first = selection.tasks.map(\.fingerprint)
    #expect(first[0] != first[1])
    try folder.write("arc_easy.jsonl", #"{"context": "Question: a?", "choices": ["b", "d"], "label": 0}"#)
    let second = try catalogue.select(["ai2_arc"], in: folder.path).tasks.map(\.fingerprint)
    #expect(zip(first, second).count { $0 != $1 } == 1)
  }

  @Test("the fingerprint holds how examples are read, in whichever file and layout they lie")
  func fingerprints() throws {
    let folder = try TemporaryFolder()
    try folder.write("mine_test.jsonl", #"{"q": "a?", "options": ["b", "c"], "label": 0}"#)
    try folder.write("mine_train.jsonl", #"{"question": "d?", "options": ["e", "f"], "label": 1}"#)
    func data(_ text: JSON, test: String = "") throws -> TaskData {
      let definition: JSON = [
        "task": "mine", "output_type": "multiple_choice", "test_split": "test", "fewshot_split": "train", "doc_to_choice": "options",
        "doc_to_target": "label",
        "layouts": [["fields": ["q"], "doc_to_text": .string("{{q}}" + test)], ["fields": ["question"], "doc_to_text": text]],
      ]
      let path = try folder.write("mine.task.json", definition.text())
      return try TaskCatalogue(userFiles: [path]).select(["mine"], in: folder.path).tasks[0]
    }
    let (first, second) = (try data("{{question}}"), try data("Q: {{question}}"))
    #expect(try first.question(0, examples: [0]).contexts == ["d? f\n\na?"])
    #expect(try second.question(0, examples: [0]).contexts == ["Q: d? f\n\na?"])
    let again = try data("{{question}}")
    #expect(first.fingerprint != second.fingerprint && first.fingerprint == again.fingerprint)
    #expect(try data("{{question}}", test: "!").fingerprint != first.fingerprint)
  }

  @Test("the ladder's examples are in the fingerprint as well")
  func ladder() throws {
    let (files, layouts) = (OpenFiles(), try #require(try TaskCatalogue().layouts("arithmetic_ladder_2")))
    let questions = try #require(try files.rows(of: .plain, layouts: layouts, areExamples: false))
    let examples = try #require(try files.rows(of: .plain, layouts: layouts, areExamples: true))
    let made = try [questions, examples].map {
      try TaskData(questions: questions, source: .rows($0), leavesQuestionOut: false, exampleNote: nil)
    }
    #expect(made[0].fingerprint != made[1].fingerprint)
    #expect(made[1].paths == ["arithmetic ladder, plain", "arithmetic ladder, plain, examples"])
  }

  @Test("all fields of 'where' choose rows, and one that the file lacks is an error but where the file is named after the task")
  func conditions() throws {
    let folder = try TemporaryFolder()
    let definition: JSON = [
      "task": "mine", "output_type": "multiple_choice", "test_split": "test", "files": ["exam", "hard_physics"],
      "where": ["subject": "physics", "level": "hard"], "doc_to_text": "{{q}}", "doc_to_choice": ["a", "b"], "doc_to_target": 0,
    ]
    let path = try folder.write("mine.task.json", definition.text())
    func questions() throws -> [String] {
      let data = try TaskCatalogue(userFiles: [path]).select(["mine"], in: folder.path).tasks[0]
      return try (0..<data.count).map { try data.question($0, examples: []).contexts[0] }
    }
    let rows = [("1", "physics", "hard"), ("2", "physics", "easy"), ("3", "history", "hard"), ("4", "physics", "hard")].map {
      #"{"q": "\#($0.0)", "subject": "\#($0.1)", "level": "\#($0.2)"}"#
    }
    try folder.write("hard_physics.jsonl", #"{"q": "own"}"#)
    #expect(try questions() == ["own"])
    try folder.write("exam.jsonl", rows.joined(separator: "\n"))
    #expect(try questions() == ["1", "4"])
    try folder.write("exam.jsonl", #"{"q": "1", "subject": "physics"}"#)
    let error = #expect(throws: TaskError.self) { try questions() }
    #expect(
      error?.description == folder.file("exam.jsonl")
        + ": line 1: has no field 'level', by which mine chooses its rows; only a file named after hard needs none")
  }

  @Test(
    "neutral slices make the prompts that were scored", .enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)),
    arguments: [
      ("arc_challenge", "arc_challenge"), ("arc_easy", "arc_easy"), ("copa", "copa"), ("hellaswag", "hellaswag"),
      ("lambada_openai", "lambada"),
      ("openbookqa", "openbook_qa"), ("piqa", "piqa"), ("story_last_word", "story_last_word"),
      ("story_next_sentence", "story_next_sentence"),
    ])
  func neutral(_ task: String, _ reference: String) throws {
    let data = try TaskCatalogue().select([task], in: SharedData.path("data/tasks")).tasks[0]
    let file = try SharedData.json("reference/talespin-15m/lm_eval.json")
    let samples = try #require(file["tasks"]?[reference + "_hoof_shared"]?["first_25_samples"]?.array)
    for (i, sample) in samples.enumerated() {
      let question = try data.question(i, examples: [])
      let prompt = try #require(sample["prompt0"]?.array)
      #expect(question.contexts[0] == prompt[0].string && question.continuations[0] == prompt[1].string)
      #expect(question.continuations.count == sample["resps"]?.array?.count)
    }
  }

  @Test("every neutral slice can be asked in whole", .enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
  func slices() throws {
    let names = [
      "hellaswag", "mmlu", "arc_easy", "arc_challenge", "boolq", "lambada_openai", "winogrande", "piqa", "openbookqa", "gsm8k", "gsm8k_cot",
      "copa",
      "commonsense_qa", "truthfulqa_mc1", "truthfulqa_mc2", "story_last_word", "story_next_sentence",
    ]
    let selection = try TaskCatalogue().select(names, in: SharedData.path("data/tasks"))
    for data in selection.tasks {
      var sampler = FewShotSampler(data, count: data.definition.shots ?? 0)
      for index in 0..<data.count { _ = try data.question(index, examples: try sampler.next(for: index)) }
    }
    #expect(selection.tasks.filter { $0.definition.name.hasPrefix("mmlu") }.reduce(0) { $0 + $1.count } == 500)
    let stories = try TaskCatalogue().select(["tinystories"], in: SharedData.path("data/text")).tasks[0]
    #expect(stories.definition.metrics.map(\.name) == ["word_perplexity", "byte_perplexity", "bits_per_byte"])
    #expect(try stories.question(0, examples: []).contexts.isEmpty)
  }
}

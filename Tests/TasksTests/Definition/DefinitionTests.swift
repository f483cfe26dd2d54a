import Formats
import JSON
import TestSupport
import Testing

@testable import Tasks

/// Definitions as users write them, and what is wrong with some.
struct DefinitionTests {
  private static let plain: JSON = [
    "task": "mine", "output_type": "multiple_choice", "test_split": "test", "doc_to_text": "Q: {{question}}\nA:",
    "doc_to_choice": "options",
    "doc_to_target": "{{answer}}", "metadata": ["version": 1.5], "dataset_path": "json", "should_decontaminate": true, "tag": "own",
  ]

  private static func changed(_ key: String, _ value: JSON?) -> JSON {
    var object = plain.object!
    object[key] = value
    return .object(object)
  }

  private func catalogue(_ definition: JSON, _ folder: TemporaryFolder) throws -> TaskCatalogue {
    try TaskCatalogue(userFiles: [try folder.write("mine.task.json", definition.text(pretty: true))])
  }

  @Test("a stock definition in JSON becomes a task")
  func stock() throws {
    let folder = try TemporaryFolder()
    try folder.write("mine_test.jsonl", #"{"question": "2 + 2?", "options": ["3", "4"], "answer": "1"}"# + "\n")
    let data = try catalogue(Self.plain, folder).select(["mine"], in: folder.path).tasks[0]
    #expect(data.definition.version == "1.5")
    #expect(data.definition.metrics.map(\.name) == ["acc", "acc_norm"])
    #expect(
      try data.question(0, examples: [])
        == Question(contexts: ["Q: 2 + 2?\nA:"], continuations: [" 3", " 4"], choices: ["3", "4"], gold: [1]))
  }

  @Test("targets may be a list, a text among the choices, or true; choices may be made of a list")
  func targets() throws {
    let folder = try TemporaryFolder()
    for (i, (target, gold)) in [("[0, 1]", [0, 1]), ("\"yes\"", [1]), ("true", [1]), ("0", [0])].enumerated() {
      try folder.write("mine_test.jsonl", #"{"question": "Is it?", "answer": \#(target), "options": [{"t": "no"}, {"t": "yes"}]}"#)
      var definition = Self.changed("doc_to_choice", ["each": "options", "as": "{{it.t}}"]).object!
      definition["doc_to_target"] = "answer"
      let data = try catalogue(.object(definition), folder).select(["mine"], in: folder.path).tasks[0]
      let question = try data.question(0, examples: [])
      #expect(question.gold == gold, "case \(i)")
      #expect(question.choices == ["no", "yes"])
    }
  }

  @Test(
    "choices may be a template with white space around it, or a text that Python reads as a list",
    arguments: [
      (" {{ ['3', '4'] }}\n", ["3", "4"]), ("{{written}}", ["a", "it's", "2"]), ("['{{question}}', 'b']", ["2 + 2?", "b"]),
      ("{% set o = ['3', '4'] %}\n{{o}}\n", ["3", "4"]),
    ])
  func listed(_ choices: String, _ expected: [String]) throws {
    let folder = try TemporaryFolder()
    try folder.write("mine_test.jsonl", #"{"question": "2 + 2?", "written": "['a', \"it's\", 2]", "answer": "1"}"#)
    let data = try catalogue(Self.changed("doc_to_choice", .string(choices)), folder).select(["mine"], in: folder.path).tasks[0]
    #expect(try data.question(0, examples: []).choices == expected)
  }

  @Test(
    "a text that is no list is refused as choices",
    arguments: [
      (
        "{{written}}",
        "doc_to_choice of mine: a text that begins with '[' and is no list as Python writes one: it holds more than texts and numbers"
      ),
      (
        "[{{question}}",
        "doc_to_choice of mine: a text that begins with '[' and is no list as Python writes one: a character that has no meaning here: '?'"
      ),
      ("{{question}}", "doc_to_choice: must be a list of choices, not a text"),
    ])
  func unlisted(_ choices: String, _ reason: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("mine_test.jsonl", #"{"question": "2 + 2?", "written": "[a, b]", "answer": "1"}"#)
    let data = try catalogue(Self.changed("doc_to_choice", .string(choices)), folder).select(["mine"], in: folder.path).tasks[0]
    let error = #expect(throws: FormatError.self) { try data.question(0, examples: []) }
    #expect(error?.description == folder.file("mine_test.jsonl") + ": line 1: " + reason)
  }

  @Test("the harness's names for the length of an answer are taken, the first of them first")
  func lengths() throws {
    let folder = try TemporaryFolder()
    for (settings, length) in [
      (["max_new_tokens": 7], 7), (["max_tokens": 8, "max_completion_tokens": 9], 8), (["max_completion_tokens": 9], 9),
      (["max_new_tokens": 7, "max_gen_toks": 6], 6), (["do_sample": false, "temperature": 0.7], 256), (["temperature": 0], 256),
    ] as [(JSON, Int)] {
      let catalogue = try catalogue(Self.changed("generation_kwargs", settings), folder)
      #expect(catalogue.layouts("mine")?[0].maxNewTokens == length, "\(settings)")
    }
  }

  @Test("a user's task takes the place of a group of that name, and a group that of a task")
  func replaced() throws {
    let folder = try TemporaryFolder()
    let own = try catalogue(Self.changed("task", "mmlu_stem"), folder)
    #expect(own.group("mmlu_stem") == nil && own.layouts("mmlu_stem")?[0].files == ["mmlu_stem"] && !own.groupNames.contains("mmlu_stem"))
    try folder.write("mmlu_stem.jsonl", #"{"question": "2 + 2?", "options": ["3", "4"], "answer": "1"}"#)
    #expect(try own.select(["mmlu"], in: folder.path).tasks.map(\.definition.name) == ["mmlu_stem"])
    let grouped = try catalogue(["group": "piqa", "task": ["copa", "boolq"]], folder)
    #expect(grouped.layouts("piqa") == nil && grouped.group("piqa")?.members == ["copa", "boolq"] && !grouped.names.contains("piqa"))
  }

  @Test("a prefix of the answer stands where the harness puts it")
  func prefix() throws {
    let folder = try TemporaryFolder()
    try folder.write("mine_test.jsonl", #"{"question": "2 + 2?", "options": ["3", "4"], "answer": 1}"#)
    try folder.write("mine_train.jsonl", #"{"question": "1 + 1?", "options": ["2", "3"], "answer": 0}"#)
    var definition = Self.changed("gen_prefix", "The answer is").object!
    definition["fewshot_split"] = "train"
    let data = try catalogue(.object(definition), folder).select(["mine"], in: folder.path).tasks[0]
    #expect(try data.question(0, examples: [0]).contexts == ["Q: 1 + 1?\nA: The answer is 2\n\nQ: 2 + 2?\nA: The answer is"])
  }

  @Test(
    "what a definition gets wrong is one line that names file, task and key",
    arguments: [
      (changed("doc_to_txt", "a"), "mine.doc_to_txt: is no key of this part of a definition; did you mean 'doc_to_text'?"),
      (
        changed("output_type", "multiple_choise"),
        "mine.output_type: must be one of multiple_choice, loglikelihood, loglikelihood_rolling, generate_until; did you mean 'multiple_choice'?"
      ),
      (changed("doc_to_text", "{{question"), "mine.doc_to_text: a tag has no '}}'"),
      (changed("doc_to_choice", nil), "mine.doc_to_choice: is missing; multiple_choice needs it"),
      (changed("doc_to_target", nil), "mine.doc_to_target: is missing"),
      (
        changed("doc_to_text", "!function utils.doc_to_text"),
        "mine.doc_to_text: is a Python function, which hoof does not run; write a template instead"
      ),
      (
        changed("process_docs", "!function utils.process"),
        "mine.process_docs: is for Python, which hoof does not run; say with templates and \"layouts\" what it does"
      ),
      (
        changed("metric_list", [["metric": "acc_nrm"]]),
        "mine.metric_list[0].metric: 'acc_nrm' is none that multiple_choice has here: acc, acc_norm, acc_bytes, exact_match; did you mean 'acc_norm'?"
      ),
      (changed("metric_list", []), "mine.metric_list: must not be empty"),
      (changed("fewshot_config", ["sampler": "balanced"]), "mine.fewshot_config.sampler: must be default or first_n, not 'balanced'"),
      (changed("num_fewshot", -1), "mine.num_fewshot: must be a whole number from 0 to 1000, not -1"),
      (changed("files", ["../secret"]), "mine.files: must be names inside of the data folder, not '../secret'"),
      (changed("generation_kwargs", ["do_sample": true]), "mine.generation_kwargs.do_sample: must be false: answers are written greedily"),
      (
        changed("filter_list", [["name": "a", "filter": [["function": "majority_vote"]]]]),
        "mine.filter_list[0].filter[0].function: must be regex, remove_whitespace, lowercase, uppercase or take_first, not 'majority_vote'"
      ),
      (
        changed("filter_list", [["name": "a", "filter": [["function": "regex", "regex_pattern": "("]]]]),
        "mine.filter_list[0].filter[0].regex_pattern: not a regular expression: missing closing parenthesis at character 1"
      ),
      (changed("repeats", 8), "mine.repeats: must be 1: answers are written greedily and would all be the same"),
      (changed("layouts", [["doc_to_text": "a"]]), "mine.layouts[0].fields: is missing: what a row of this layout has"),
      (changed("task", nil), "task: must be the task's name"),
      (["group": "g", "task": ["hellaswog"]] as JSON, "task: 'hellaswog' is no task; did you mean 'hellaswag'?"),
      (["group": "g", "task": ["hellaswag", "h"]] as JSON, "task: 'h' is no task"),
      (["group": "a", "task": ["a"]] as JSON, "task: 'a' holds itself"),
      (3 as JSON, "must be a definition or a list of definitions"),
    ])
  func wrong(_ definition: JSON, _ reason: String) throws {
    let folder = try TemporaryFolder()
    let error = #expect(throws: FormatError.self) { try catalogue(definition, folder) }
    #expect(error?.description == folder.file("mine.task.json") + ": " + reason)
  }

  private static let labels: JSON = ["suffix": "-labels.lst", "field": "label"]
  private static func values(_ count: Int) -> JSON { ["n": .array((0..<count).map { .string("\($0)") })] }

  private static let wrongInLayoutsAndFiles: [(JSON, String)] = [
    (changed("generation_kwargs", ["temperature": 0.5]), "mine.generation_kwargs.temperature: must be 0: answers are written greedily"),
    (changed("layouts", [["fields": ["a"]], ["fields": ["b"], "doc_to_text": "{{a"]]), "mine.layouts[1].doc_to_text: a tag has no '}}'"),
    (
      changed("layouts", [["fields": ["a"], "metric_list": [["metric": "f1"]]]]),
      "mine.layouts[0].metric_list[0].metric: 'f1' is none that multiple_choice has here: acc, acc_norm, acc_bytes, exact_match"
    ),
    (changed("layouts", .array(Array(repeating: ["fields": ["a"]], count: 65))), "mine.layouts: are 65; at most 64 are taken"),
    (changed("each", values(10_001)), "each: has 10001 values; at most 10000 are taken"),
    (
      changed("each", values(10_000)).adding("description", .string(String(repeating: "d", count: 9000))),
      "each: makes 10000 definitions of 9264 bytes each; at most 64 MiB together are taken"
    ),
    (
      changed("split_files", ["trian": ["a"]]).adding("fewshot_split", "train"),
      "mine.split_files.trian: is no split of the task; did you mean 'train'?"
    ),
    (changed("split_files", ["test": ["../a"]]), "mine.split_files.test: must be names inside of the data folder, not '../a'"),
    (
      changed("labels_file", ["suffix": "../x", "field": "label"]),
      "mine.labels_file.suffix: must be what the name ends with in place of its ending, such as '-labels.lst'"
    ),
    (changed("labels_file", ["suffix": "-labels.lst"]), "mine.labels_file.field: must be the name of the rows' field"),
    (changed("labels_file", labels).adding("arithmetic_ladder", "plain"), "mine.labels_file: needs a file, and the ladder has none"),
  ]

  @Test("so is what it gets wrong in layouts and names of files, or has too much of", arguments: wrongInLayoutsAndFiles)
  func wrongInLayouts(_ definition: JSON, _ reason: String) throws { try wrong(definition, reason) }

  @Test("every built-in definition can be read, and has a layout for hoof's neutral rows or is published in one")
  func builtIn() throws {
    let catalogue = try TaskCatalogue()
    // The arithmetic ladder has two styles and six depths.
    #expect(catalogue.names.count == 16 + 57 + 2 * 6)
    #expect(
      catalogue.groupNames == [
        "mmlu", "mmlu_stem", "mmlu_other", "mmlu_social_sciences", "mmlu_humanities", "arithmetic_ladder", "arithmetic_ladder_cot",
      ])
    #expect(catalogue.groupNames.dropFirst().map { catalogue.group($0)!.members.count } == [19, 13, 12, 13, 6, 6])
    #expect(catalogue.group("mmlu_social_sciences")?.alias == "social sciences")
    #expect(catalogue.layouts("mmlu_world_religions")?[0].alias == "world_religions")
    #expect(catalogue.layouts("gsm8k")?[0].shots == 5)
    #expect(catalogue.layouts("gsm8k_cot")?[0].until == ["Q:", "</s>", "<|im_end|>"])
    #expect(catalogue.layouts("truthfulqa_mc2")?[0].version == "3.0")
    #expect(catalogue.layouts("commonsense_qa")?[0].version == "Yaml")
    #expect(catalogue.layouts("lambada_openai")?[0].metrics.map(\.name) == ["perplexity", "acc"])
  }
}

extension JSON {
  fileprivate func adding(_ key: String, _ value: JSON) -> JSON {
    var object = object!
    object[key] = value
    return .object(object)
  }
}

import Evaluation
import JSON
@testable import Tasks
import TestSupport
import Testing

/// Lines of samples as lm-evaluation-harness 0.4.13 wrote them with `--log_samples` for stories260K, its own task files over the same rows
/// (`dataset_path: json`): keys, their order, values and hashes.
struct HarnessSamplesTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// The lines that hoof writes of the answers, "task" and "model" taken away.
  private func lines(_ task: String, _ file: String, rows: [JSON], _ answers: [ModelAnswer]) throws -> [JSON.Object] {
    try folder.write(file, rows.map { $0.text() + "\n" }.joined())
    let data = try TaskCatalogue().select([task], in: folder.path).tasks[0]
    let (samples, figures) = (try HarnessSamples(data), QuestionMetrics(data.definition))
    return try answers.enumerated().flatMap { index, answer in
      let question = try data.question(index, examples: [])
      let record = TaskRunner.Record(
        index: index, row: try data.row(index), question: question, answers: [answer],
        values: [try figures.values(answer, to: question).map(\.value)])
      return try samples.lines(record, of: 0, model: "m").map { line in
        var object = try #require(line.object)
        #expect(object.names.prefix(2) == ["task", "model"] && object["task"]?.string == task && object["model"]?.string == "m")
        (object["task"], object["model"]) = (nil, nil)
        return object
      }
    }
  }

  @Test("a last word: log-likelihood and greedy as texts, acc a whole number")
  func lambada() throws {
    let text = "Once upon a time there was a little girl named Lily. She loved to play with her toy cat and her toy"
    let found = try lines(
      "lambada_openai", "lambada_openai_test.jsonl", rows: [["text": .string(text)]],
      [ModelAnswer(logLikelihoods: [-3.0845212936401367], greedy: [false])])
    #expect(
      found == [
        [
          "doc_id": 0, "doc": ["text": .string(text)], "target": " toy",
          "arguments": [
            "gen_args_0": [
              "arg_0": "Once upon a time there was a little girl named Lily. She loved to play with her toy cat and her", "arg_1": " toy",
            ]
          ],
          "resps": [[["-3.0845212936401367", "False"]]], "filtered_resps": [["-3.0845212936401367", "False"]], "filter": "none",
          "metrics": ["perplexity", "acc"], "doc_hash": "de66229216e5d345e3decc07aadd0278a995cc1b788743e8a685c1906fbd61a0",
          "prompt_hash": "286bde129b38e81572cf3570da9afb1f64633aa62e5bcfc3a106223b70e313ec",
          "target_hash": "34d4a120a3883eba0b57d65115fdf79d4ee56044c503db287b9a237422708fa2", "perplexity": -3.0845212936401367, "acc": 0,
        ]
      ])
  }

  @Test("several contexts: the target is the text behind them")
  func winogrande() throws {
    let row: JSON = [
      "sentence": "Sarah was a much better surgeon than Maria so _ always got the easier cases.", "option1": "Sarah", "option2": "Maria",
      "answer": "2",
    ]
    let found = try lines(
      "winogrande", "winogrande_validation.jsonl", rows: [row],
      [ModelAnswer(logLikelihoods: [-41.20066833496094, -41.39761734008789], greedy: [false, false])])
    #expect(
      found == [
        [
          "doc_id": 0, "doc": row, "target": "always got the easier cases.",
          "arguments": [
            "gen_args_0": ["arg_0": "Sarah was a much better surgeon than Maria so Sarah", "arg_1": " always got the easier cases."],
            "gen_args_1": ["arg_0": "Sarah was a much better surgeon than Maria so Maria", "arg_1": " always got the easier cases."],
          ],
          "resps": [[["-41.20066833496094", "False"]], [["-41.39761734008789", "False"]]],
          "filtered_resps": [["-41.20066833496094", "False"], ["-41.39761734008789", "False"]], "filter": "none", "metrics": ["acc"],
          "doc_hash": "62d625e23b0883658b0d294bdd30125e28c9d8ebecb11a21bdd4345c9a7694cf",
          "prompt_hash": "661ccece6fed4147d0c129db906b2dec86490bd9f520717c8cebe010eb3e3df1",
          "target_hash": "85a2a1bd3293fb7367fc630cef4752be8223c1b4142b62116747b5155c508854", "acc": 0.0,
        ]
      ])
  }

  @Test("a whole text: it is the argument, and the figures have their words and bytes")
  func wikitext() throws {
    let row: JSON = [
      "page":
        " = Robert <unk> = \n Robert <unk> is an English film , television and theatre actor . He had a guest @-@ starring role in 2000 . \n"
    ]
    let text: JSON =
      " = Robert <unk> =\nRobert <unk> is an English film, television and theatre actor. He had a guest-starring role in 2000.\n"
    let found = try lines(
      "wikitext", "wikitext_test.jsonl", rows: [row], [ModelAnswer(logLikelihoods: [-392.0252380371094], greedy: [false])])
    #expect(
      found == [
        [
          "doc_id": 0, "doc": row, "target": text, "arguments": ["gen_args_0": ["arg_0": text]], "resps": [["-392.0252380371094"]],
          "filtered_resps": ["-392.0252380371094"], "filter": "none", "metrics": ["word_perplexity", "byte_perplexity", "bits_per_byte"],
          "doc_hash": "36859f00e3abaaaa6a80fedfe52580cd898f88804231bfaf73798532e6e8151c",
          "prompt_hash": "fa31ee864883ac7bd4ccafff05e41d0e2802d7774c11d3c3e33117008c36f1c9",
          "target_hash": "fa31ee864883ac7bd4ccafff05e41d0e2802d7774c11d3c3e33117008c36f1c9",
          "word_perplexity": [-392.0252380371094, 28], "byte_perplexity": [-392.0252380371094, 129],
          "bits_per_byte": [-392.0252380371094, 129],
        ]
      ])
  }

  @Test("choices of one context: the row has what the harness' Python adds to it")
  func hellaswag() throws {
    let own: JSON.Object = [
      "ind": 0, "activity_label": "Roof shingle", "ctx_a": "She takes 0 eggs [step] and “flour”.", "ctx_b": "then SHE", "ctx": "x",
      "endings": ["bakes a cake [title] Nice.", "flies away  now.", "sings.", "sleeps."], "source_id": "a~v", "split": "val",
      "split_type": "indomain", "label": "0",
    ]
    var doc = own
    doc["query"] = "Roof shingle: She takes 0 eggs and “flour”. Then she"
    doc["choices"] = ["bakes a cake. Nice.", "flies away now.", "sings.", "sleeps."]
    doc["gold"] = 0
    let values = [-32.475433349609375, -23.239978790283203, -11.261354446411133, -16.311378479003906]
    let found = try lines(
      "hellaswag", "hellaswag_validation.jsonl", rows: [.object(own)],
      [ModelAnswer(logLikelihoods: values, greedy: [false, false, false, false])])
    let line = try #require(found.first)
    #expect(
      line.names == [
        "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash", "prompt_hash", "target_hash",
        "acc", "acc_norm",
      ])
    #expect(line["doc"] == .object(doc) && line["target"] == "0" && line["metrics"] == ["acc", "acc_norm"] && line["acc"] == 0.0)
    #expect(line["arguments"]?["gen_args_3"] == ["arg_0": "Roof shingle: She takes 0 eggs and “flour”. Then she", "arg_1": " sleeps."])
    #expect(line["resps"]?.array?[2] == [["-11.261354446411133", "False"]])
    #expect(line["doc_hash"] == "96fb1c50ffbe78764bd7c955d623426d679e2588c943dc637f8a3a622f4215f1")
    #expect(line["prompt_hash"] == "43430cdd673ac1a27282b453456869d08742a7f6be88050b05651d8269e83785")
    #expect(line["target_hash"] == "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9")
  }

  @Test("a written answer: a line for each filter, with what it found and how the answer was asked for")
  func written() throws {
    let question = "Tom has 2 “red” cups and 3 blue ones. How many?"
    let row: JSON = ["question": .string(question), "answer": "2 + 3 = <<2+3=5>>5\n#### 5"]
    let text: JSON = "She has 12.\n#### 5"
    let found = try lines(
      "gsm8k", "gsm8k_test.jsonl", rows: [row, row], [ModelAnswer(text: "Do you want to see the queen?"), ModelAnswer(text: text.string)])
    func line(_ index: JSON, _ text: JSON, _ filter: JSON, _ extracted: JSON, _ share: JSON) -> JSON.Object {
      [
        "doc_id": index, "doc": row, "target": "2 + 3 = <<2+3=5>>5\n#### 5",
        "arguments": [
          "gen_args_0": [
            "arg_0": .string("Question: \(question)\nAnswer:"),
            "arg_1": ["until": ["Question:", "</s>", "<|im_end|>"], "do_sample": false, "temperature": 0.0],
          ]
        ],
        "resps": [[text]], "filtered_resps": [extracted], "filter": filter, "metrics": ["exact_match"],
        "doc_hash": "06c63929af826f4af5d076577ba2c0ed3e6d366d147f01e53a0e25bb98a1de03",
        "prompt_hash": "5c683910b1d9041860ac2ff7b1c7db5f3abb10a54839b4d2ba9c668f9be30edf",
        "target_hash": "9c8007e9f4c8bdef64afc41d9cb61d2e4e69fc3b0b4ab1e645616b531ead9db9", "exact_match": share,
      ]
    }
    let none: JSON = "Do you want to see the queen?"
    #expect(
      found == [
        line(0, none, "strict-match", "[invalid]", 0.0), line(0, none, "flexible-extract", "[invalid]", 0.0),
        line(1, text, "strict-match", "5", 1.0), line(1, text, "flexible-extract", "5", 1.0),
      ])
  }

  @Test(
    "a hash that the harness would not have is left out, as where rows differ in their fields; texts are escaped as Python escapes them")
  func hashes() throws {
    let rows: [JSON] = [
      ["context": "a", "target": " b"], ["context": "a", "target": " b", "more": 1],
      ["context": "\u{1}\u{8}\u{c}\u{7f}\"\\é😀\n", "target": " b"],
    ]
    let answer = ModelAnswer(logLikelihoods: [-1e-7], greedy: [true])
    let found = try lines("plain", "plain.jsonl", rows: rows, [answer, answer, answer])
    #expect(found.map { $0["doc_hash"] == nil } == [false, true, false] && found.allSatisfy { $0["prompt_hash"] != nil })
    #expect(found[0]["acc"] == 1 && found[0]["resps"] == [[["-1e-07", "True"]]])
    // hashlib.sha256(json.dumps(doc, indent=2, ensure_ascii=False).encode()) of CPython 3.11
    #expect(found[2]["doc_hash"] == "8fe694f328c9f57ff0ec924a045f27abba88161cdb15e8ee1097ffacdcbd87a6")
    let nested: JSON = ["a": [], "b": [:], "c": [["x": nil, "y": true], ["z"]], "d": -3]
    #expect(
      nested.pythonDump
        == "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    {\n      \"x\": null,\n      \"y\": true\n    },\n    [\n      \"z\"\n    ]\n  ],\n  \"d\": -3\n}"
    )
    #expect(!JSON.object(["a": 1]).isColumnwiseLike(["a": 1.5]) && !JSON.object(["a": ["b": 1]]).isColumnwiseLike(["a": ["c": 1]]))
    #expect(JSON.object(["a": nil]).isColumnwiseLike(["a": "text"]) && !JSON.array([["b": 1], ["c": 1]]).isColumnwiseLike([]))
  }
}

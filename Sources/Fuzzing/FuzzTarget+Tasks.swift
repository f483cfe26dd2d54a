import Formats
import Tasks

extension FuzzTarget {
  /// Definitions of tasks and their data.
  /// - Parameter folder: an empty folder to work in.
  static func tasks(in folder: String) -> [FuzzTarget] {
    let templates = [
      "Question: {{question.strip()}}\nA. {{choices.text[0]}}\nAnswer:", "{{list[:-1]|join(' ')}}{{' ' + list[-1]}}",
      "{{choices.label.index(key)}}",
      "{% set x = key + '!' %}{% if n > 2 %}{{x.split('!', 1)[0]}}{% else %}b{% endif %}",
      "{{question|regex_replace('\\\\[.*?\\\\]', '')|replace('  ', ' ')}}",
      "{% for c in list %}{{loop.index}}. {{c|upper}}{% endfor %}{{ {'a': [1, 2.5]}['a'][0] * n if not none else '' }}{{list|map('upper')|list}}",
    ]
    let definition = #"""
      {"task": "a", "output_type": "multiple_choice", "test_split": "test", "fewshot_split": "dev", "num_fewshot": 2, "tag": ["b"],
      "doc_to_text": "Q: {{question}}", "doc_to_choice": {"each": "choices.text", "as": "{{it}}"}, "doc_to_target": "key", "description": "d {{n}}",
      "fewshot_config": {"sampler": "first_n", "samples": [{"question": "a", "key": "B"}]}, "metric_list": [{"metric": "acc", "aggregation": "mean"}],
      "metadata": {"version": 1.0}, "layouts": [{"fields": ["question"], "gen_prefix": "A"}, {"columns": ["q", "key"], "where": {"s": "t"}}]}
      """#
    let generating = #"""
      [{"group": "g", "task": ["a_1"], "aggregate_metric_list": [{"metric": "exact_match"}]}, {"each": {"v": ["1", "2"]}, "task": "a_{{v}}",
      "output_type": "generate_until", "doc_to_text": "{{question}}", "doc_to_target": "key", "generation_kwargs": {"until": ["Q:"], "max_gen_toks": 9},
      "filter_list": [{"name": "f", "filter": [{"function": "regex", "group_select": -1, "regex_pattern": "(-?[0-9]+)|(x)"}, {"function": "take_first"}]}],
      "metric_list": [{"metric": "exact_match", "ignore_case": true, "regexes_to_ignore": [",", "\\.$"]}]}]
      """#
    let rows = [
      #"{"context": "a", "choices": ["b", "c"], "label": 1}"#, #"{"context": "é\n", "choices": ["b", "d"], "label": 0}"#,
    ]
    let csv = "context,target\r\n\"a, \"\"b\"\"\r\nc\", d\r\nx,y\n"
    func data(_ ending: String, _ seeds: [String], _ parse: @escaping @Sendable (String) throws -> Void = TaskParsers.rows) -> FuzzTarget {
      FuzzTarget(name: "task-data-\(ending)", seeds: seeds.map { Array($0.utf8) }) { bytes in
        let path = "\(folder)/fuzz.\(ending)"
        let output = try OutputFile(path: path, byteCount: bytes.count, replacing: true)
        try output.write(bytes, at: 0)
        try output.commit(synced: false)
        try parse(path)
      }
    }
    return [
      FuzzTarget(name: "template", seeds: templates.map { Array($0.utf8) }) { try TaskParsers.template($0) },
      FuzzTarget(name: "task-definition", seeds: [definition, generating].map { Array($0.utf8) }) { try TaskParsers.definitions($0) },
      data("jsonl", [rows.joined(separator: "\n"), #"{"text": "a b"}"#]),
      data(
        "json",
        [
          "[" + rows.joined(separator: ",\n ") + "]", #"{"rows": [{"row": \#(rows[0])}]}"#, #"{"text": ["a", "b"]}"#,
          #"{"text": {"0": "a", "1": "b"}}"#,
        ]),
      data("csv", [csv]), data("txt", ["a text\r\n\n another"]), data("lst", ["1\n0\n-1\n", "0\r\n1\r\n1"], TaskParsers.labels),
    ]
  }
}

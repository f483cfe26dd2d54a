import JSON
import Tasks
import Testing

/// Against lm-evaluation-harness 0.4.13: the same made-up answers through its own `_process_results` (with 2,000 resamples) and `make_table`.
struct HarnessLayoutTests {
  private let report = MadeUpTasks.report

  @Test("the table of results is the harness', byte for byte")
  func results() {
    #expect(
      report.table(of: report.models[0]) == """
        |    Tasks     |Version|     Filter     |n-shot|    Metric     |   | Value  |   |Stderr |
        |--------------|-------|----------------|-----:|---------------|---|-------:|---|-------|
        | - arc_easy   |      1|none            |     0|acc            |↑  |  0.4000|±  | 0.0784|
        |              |       |none            |     0|acc_norm       |↑  |  0.5000|±  | 0.0801|
        | - gsm8k      |      3|flexible-extract|     5|exact_match    |↑  |  0.5000|±  | 0.1147|
        |              |       |strict-match    |     5|exact_match    |↑  |  0.7000|±  | 0.1051|
        |copa pair     |N/A    |none            |      |acc            |↑  |  0.2917|±  |   N/A |
        | - one        |    0.1|none            |     0|acc            |↑  |  0.0000|±  |   N/A |
        | - two        |    0.1|none            |     2|acc            |↑  |  0.5833|±  | 0.1486|
        |mmlu          |      2|none            |      |acc            |   |  0.5259|±  | 0.0454|
        | - humanities |      2|none            |     5|acc            |↑  |  0.3902|±  | 0.0771|
        |  - philosophy|      1|none            |     5|acc            |↑  |  0.3902|±  | 0.0771|
        | - other      |      2|none            |     5|acc            |↑  |  0.4706|±  | 0.1248|
        |  - virology  |      1|none            |     5|acc            |↑  |  0.4706|±  | 0.1248|
        | - stem       |      2|none            |     5|acc            |↑  |  0.6379|±  | 0.0626|
        |  - anatomy   |      1|none            |     5|acc            |↑  |  0.7600|±  | 0.0872|
        |  - astronomy |      1|none            |     5|acc            |↑  |  0.5455|±  | 0.0880|
        |lambada_openai|      1|none            |     0|acc            |↑  |  0.6000|±  | 0.0910|
        |              |       |none            |     0|perplexity     |↓  |125.6290|±  |79.0969|
        |wikitext      |      2|none            |     0|bits_per_byte  |↓  |  0.0583|±  |   N/A |
        |              |       |none            |     0|byte_perplexity|↓  |  1.0413|±  |   N/A |
        |              |       |none            |     0|word_perplexity|↓  |  1.2296|±  |   N/A |

        """)
  }

  @Test("the table of groups is the harness', byte for byte")
  func groups() {
    #expect(
      report.groupTable(of: report.models[0]) == """
        |   Groups    |Version|Filter|n-shot|Metric|   |Value |   |Stderr|
        |-------------|-------|------|-----:|------|---|-----:|---|------|
        |copa pair    |N/A    |none  |      |acc   |↑  |0.2917|±  |   N/A|
        |mmlu         |2      |none  |      |acc   |   |0.5259|±  |0.0454|
        | - humanities|2      |none  |     5|acc   |↑  |0.3902|±  |0.0771|
        | - other     |2      |none  |     5|acc   |↑  |0.4706|±  |0.1248|
        | - stem      |2      |none  |     5|acc   |↑  |0.6379|±  |0.0626|

        """)
  }

  @Test("numbers in a column have the places that the longest needs, and are text once most cells are")
  func columns() {
    func table(_ scores: [(Double, Double?)]) -> [String] {
      let results = scores.enumerated().map { index, score in
        TaskResult(
          name: "t\(index)", alias: "t\(index)", version: "1.0", shots: 0, questions: 1,
          metrics: [MetricResult(name: "acc", items: [1], value: score.0, standardError: score.1)])
      }
      let model = TaskReport.Model(name: "m", path: "m", fingerprint: "", seconds: 1, results: results)
      let report = TaskReport(
        models: [model], groups: [], conditions: .init(program: "hoof", backend: "cpu", precision: "f32", dataFolder: "data"))
      return report.table(of: model).split(separator: "\n").dropFirst(2).map { String($0.dropFirst(39)) }
    }
    #expect(table([(0, 0), (1, 0)]) == ["|    0|±  |     0|", "|    1|±  |     0|"])
    #expect(table([(0.5, 0), (1, 0.01)]) == ["|  0.5|±  |  0.00|", "|  1.0|±  |  0.01|"])
    #expect(table([(0.5, nil), (0.25, 0.2)]) == ["| 0.50|±  |   N/A|", "| 0.25|±  |0.2000|"])
    #expect(table([(0.5, 0.1), (.infinity, .infinity)]) == ["|     0.5|±  |     0.1|", "|Infinity|±  |Infinity|"])
    #expect(table([(.nan, .nan)]) == ["|NaN  |±  |NaN   |"])
    #expect(table([(12345.678912, 1e7), (1.5, 0.1)]) == ["|12345.6789|±  |10000000.0|", "|    1.5000|±  |       0.1|"])
  }

  @Test("JSON has the harness' keys and figures")
  func figures() throws {
    let json = report.json
    let results = try #require(json["results"]?.object)
    let expected = try #require(try JSON(parsing: HarnessLayoutTests.results)["results"]?.object)
    #expect(results.names == expected.names)
    for (name, entry) in expected.members {
      let (own, theirs) = (try #require(results[name]?.object), try #require(entry.object))
      #expect(own.names == theirs.names)
      for (key, value) in theirs.members {
        // Roundings of squares and exp only.
        if let number = value.double, let mine = own[key]?.double {
          #expect((mine - number).magnitude <= 1e-12 * number.magnitude, "\(name) \(key)")
        } else {
          #expect(own[key] == value, "\(name) \(key)")
        }
      }
    }
    #expect(json["groups"]?.object?.names == ["mmlu_stem", "mmlu_other", "mmlu_humanities", "mmlu", "copa"])
    #expect(json["groups"]?["mmlu"] == results["mmlu"])
  }

  @Test("JSON has the harness' tables of versions, shots, directions and counts")
  func tables() throws {
    let expected = try #require(try JSON(parsing: HarnessLayoutTests.tables).object)
    for (name, value) in expected.members { #expect(report.json[name]?.text() == value.text(), "\(name)") }
  }

  @Test("JSON says how it was made")
  func conditions() throws {
    let json = report.json
    let config = try #require(json["config"])
    #expect(config["limit"]?.int == 40 && config["bootstrap_iters"]?.int == 2000 && config["random_seed"]?.int == 0)
    #expect(["numpy_seed", "torch_seed", "fewshot_seed"].allSatisfy { config[$0]?.int == 1234 })
    #expect(json["configs"]?["arc_easy"]?["output_type"]?.string == "multiple_choice")
    #expect(json["model_name"]?.string == "models/base.hoof" && json["model_name_sanitized"]?.string == "models__base.hoof")
    #expect(json["hoof"]?["format"]?.string == "hoof-tasks" && json["hoof"]?["fingerprint"]?.string == "ab12")
    #expect(json["hoof"]?["comparison"] == nil)
  }

  private static let results = #"""
    {"results":{"arc_easy":{"name":"arc_easy","alias":"arc_easy","sample_len":40,"acc,none":0.4,"acc_stderr,\#
    none":0.07844645405527362,"acc_norm,none":0.5,"acc_norm_stderr,none":0.08006407690254357},\#
    "lambada_openai":{"name":"lambada_openai","alias":"lambada_openai","sample_len":30,"perplexity,\#
    none":125.62902691361404,"perplexity_stderr,none":79.09687120520285,"acc,none":0.6,"acc_stderr,\#
    none":0.09097176522946843},"wikitext":{"name":"wikitext","alias":"wikitext","sample_len":10,"word_perplexity,\#
    none":1.2296092408834833,"word_perplexity_stderr,none":"N/A","byte_perplexity,none":1.0412653759646744,\#
    "byte_perplexity_stderr,none":"N/A","bits_per_byte,none":0.05833779947000787,"bits_per_byte_stderr,none":"N/A"},\#
    "gsm8k":{"name":"gsm8k","alias":"gsm8k","sample_len":20,"exact_match,strict-match":0.7,"exact_match_stderr,\#
    strict-match":0.10513149660756933,"exact_match,flexible-extract":0.5,"exact_match_stderr,\#
    flexible-extract":0.11470786693528086},"mmlu_virology":{"name":"mmlu_virology","alias":"virology","sample_len":17,\#
    "acc,none":0.47058823529411764,"acc_stderr,none":0.12478354962115543},"mmlu_astronomy":{"name":"mmlu_astronomy",\#
    "alias":"astronomy","sample_len":33,"acc,none":0.5454545454545454,"acc_stderr,none":0.08802234877744129},\#
    "mmlu_anatomy":{"name":"mmlu_anatomy","alias":"anatomy","sample_len":25,"acc,none":0.76,"acc_stderr,\#
    none":0.08717797887081345},"mmlu_philosophy":{"name":"mmlu_philosophy","alias":"philosophy","sample_len":41,"acc,\#
    none":0.3902439024390244,"acc_stderr,none":0.07712872341874095},"copa_one":{"name":"copa_one","alias":"one",\#
    "sample_len":1,"acc,none":0.0,"acc_stderr,none":"N/A"},"copa_two":{"name":"copa_two","alias":"two","sample_len":12,\#
    "acc,none":0.5833333333333334,"acc_stderr,none":0.1486470975026408},"mmlu_stem":{"alias":"stem","name":"mmlu_stem",\#
    "sample_len":58,"acc,none":0.6379310344827587,"acc_stderr,none":0.06263364573570655,"sample_count":{"acc,none":58}},\#
    "mmlu_other":{"alias":"other","name":"mmlu_other","sample_len":17,"acc,none":0.47058823529411764,"acc_stderr,\#
    none":0.12478354962115544,"sample_count":{"acc,none":17}},"mmlu_humanities":{"alias":"humanities",\#
    "name":"mmlu_humanities","sample_len":41,"acc,none":0.3902439024390244,"acc_stderr,none":0.07712872341874095,\#
    "sample_count":{"acc,none":41}},"mmlu":{"alias":"mmlu","name":"mmlu","sample_len":116,"acc,none":0.5258620689655172,\#
    "acc_stderr,none":0.04536151469164295,"sample_count":{"acc,none":116}},"copa":{"alias":"copa pair","name":"copa",\#
    "sample_len":13,"acc,none":0.2916666666666667,"acc_stderr,none":"N/A","sample_count":{"acc,none":13}},\#
    "bag":{"alias":"bag","name":"bag"}}}
    """#

  private static let tables = #"""
    {"group_subtasks":{"mmlu":["mmlu_stem","mmlu_other","mmlu_humanities"],"mmlu_stem":["mmlu_astronomy","mmlu_anatomy"],\#
    "mmlu_other":["mmlu_virology"],"mmlu_humanities":["mmlu_philosophy"],"copa":["copa_one","copa_two"],"bag":["arc_easy",\#
    "gsm8k"]},"versions":{"arc_easy":1.0,"bag":"1","copa":"N/A","copa_one":0.1,"copa_two":0.1,"gsm8k":3.0,\#
    "lambada_openai":1.0,"mmlu":"2","mmlu_anatomy":1.0,"mmlu_astronomy":1.0,"mmlu_humanities":"2","mmlu_other":"2",\#
    "mmlu_philosophy":1.0,"mmlu_stem":"2","mmlu_virology":1.0,"wikitext":2.0},"n-shot":{"arc_easy":0,"copa_one":0,\#
    "copa_two":2,"gsm8k":5,"lambada_openai":0,"mmlu_anatomy":5,"mmlu_astronomy":5,"mmlu_humanities":5,"mmlu_other":5,\#
    "mmlu_philosophy":5,"mmlu_stem":5,"mmlu_virology":5,"wikitext":0},"higher_is_better":{"arc_easy":{"acc":true,\#
    "acc_norm":true},"bag":{"acc":true,"acc_norm":true,"exact_match":true},"copa":{"acc":true},"copa_one":{"acc":true},\#
    "copa_two":{"acc":true},"gsm8k":{"exact_match":true},"lambada_openai":{"perplexity":false,"acc":true},\#
    "mmlu_anatomy":{"acc":true},"mmlu_astronomy":{"acc":true},"mmlu_humanities":{"acc":true},"mmlu_other":{"acc":true},\#
    "mmlu_philosophy":{"acc":true},"mmlu_stem":{"acc":true},"mmlu_virology":{"acc":true},\#
    "wikitext":{"word_perplexity":false,"byte_perplexity":false,"bits_per_byte":false}},\#
    "n-samples":{"arc_easy":{"original":60,"effective":40},"lambada_openai":{"original":30,"effective":30},\#
    "wikitext":{"original":10,"effective":10},"gsm8k":{"original":20,"effective":20},"mmlu_virology":{"original":17,\#
    "effective":17},"mmlu_astronomy":{"original":33,"effective":33},"mmlu_anatomy":{"original":25,"effective":25},\#
    "mmlu_philosophy":{"original":41,"effective":41},"copa_one":{"original":1,"effective":1},"copa_two":{"original":12,\#
    "effective":12}}}
    """#
}

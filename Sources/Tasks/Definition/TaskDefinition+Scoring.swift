import Evaluation
import Formats
import JSON
import Spelling

/// How answers are asked for and judged.
extension TaskDefinition {
  private static let aggregations: [String: (Aggregation, isHigherBetter: Bool)] = [
    "acc": (.mean, true), "acc_norm": (.mean, true), "acc_bytes": (.mean, true), "exact_match": (.mean, true),
    "perplexity": (.perplexity, false), "word_perplexity": (.weightedPerplexity, false), "byte_perplexity": (.weightedPerplexity, false),
    "bits_per_byte": (.bitsPerByte, false),
  ]

  private static func names(for output: Output) -> [String] {
    switch output {
    case .multipleChoice: ["acc", "acc_norm", "acc_bytes", "exact_match"]
    case .logLikelihood: ["perplexity", "acc"]
    case .rolling: ["word_perplexity", "byte_perplexity", "bits_per_byte"]
    case .generate: ["exact_match"]
    }
  }

  static func metrics(_ fields: Fields, _ output: Output) throws(FormatError) -> ([Metric], ExactMatchRules) {
    var rules = ExactMatchRules()
    guard let list = try fields.list("metric_list") else {
      let names = output == .multipleChoice ? ["acc", "acc_norm"] : names(for: output)
      return (names.map { Metric(name: $0, aggregation: aggregations[$0]!.0, isHigherBetter: aggregations[$0]!.isHigherBetter) }, rules)
    }
    var metrics: [Metric] = []
    for entry in list {
      try entry.refuseUnknown(
        besides: [
          "metric", "aggregation", "higher_is_better", "hf_evaluate", "weight_by_size", "ignore_case", "ignore_punctuation",
          "ignore_numbers",
          "regexes_to_ignore",
        ])
      let known = names(for: output)
      guard let name = try entry.string("metric") else { throw entry.error("metric", "is missing") }
      guard known.contains(name), let usual = aggregations[name] else {
        throw entry.error(
          "metric",
          "'\(name)' is none that \(output.rawValue) has here: \(known.joined(separator: ", "))\(NearestName.hint(for: name, in: known))")
      }
      if let aggregation = try entry.string("aggregation"), aggregation != usual.0.rawValue {
        throw entry.error("aggregation", "of \(name) is \(usual.0.rawValue), not '\(aggregation)'")
      }
      metrics.append(
        Metric(name: name, aggregation: usual.0, isHigherBetter: try entry.bool("higher_is_better") ?? usual.isHigherBetter))
      rules.ignoresCase = try entry.bool("ignore_case") ?? rules.ignoresCase
      rules.ignoresPunctuation = try entry.bool("ignore_punctuation") ?? rules.ignoresPunctuation
      rules.ignoresNumbers = try entry.bool("ignore_numbers") ?? rules.ignoresNumbers
      for source in try entry.strings("regexes_to_ignore") ?? [] { rules.ignored.append(try entry.pattern("regexes_to_ignore", source)) }
    }
    guard !metrics.isEmpty else { throw fields.error("metric_list", "must not be empty") }
    return (metrics, rules)
  }

  static func generation(_ fields: Fields, delimiter: String) throws(FormatError) -> (until: [String], maxNewTokens: Int) {
    guard let settings = try fields.fields("generation_kwargs") else { return ([delimiter], 256) }
    // The harness takes the first of these that there is.
    let lengths = ["max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens"]
    try settings.refuseUnknown(besides: ["until", "do_sample", "temperature", "top_p", "top_k", "num_beams"] + lengths)
    if let beams = try settings.int("num_beams", in: 1...1000), beams != 1 {
      throw settings.error("num_beams", "must be 1: answers are written greedily")
    }
    let temperature = try settings.double("temperature", "from 0") { $0 >= 0 }
    switch try settings.bool("do_sample") {
    case true? where temperature != 0: throw settings.error("do_sample", "must be false: answers are written greedily")
    // A temperature alone makes the harness draw.
    case nil where temperature ?? 0 > 0: throw settings.error("temperature", "must be 0: answers are written greedily")
    default: break
    }
    let until = try settings.strings("until") ?? [delimiter]
    var length: Int?
    for key in lengths where length == nil { length = try settings.int(key, in: 1...1_000_000) }
    return (until.filter { !$0.isEmpty }, length ?? 256)
  }

  static func filters(_ fields: Fields) throws(FormatError) -> [AnswerFilter] {
    guard let list = try fields.list("filter_list"), !list.isEmpty else { return [.none] }
    var filters: [AnswerFilter] = []
    for entry in list {
      try entry.refuseUnknown(besides: ["name", "filter"])
      guard let name = try entry.string("name") else { throw entry.error("name", "is missing") }
      var steps: [AnswerFilter.Step] = []
      for step in try entry.list("filter") ?? [] {
        switch try step.string("function") {
        case "regex":
          try step.refuseUnknown(besides: ["function", "regex_pattern", "group_select", "fallback"])
          let source = try step.string("regex_pattern") ?? #"#### (\-?[0-9\.\,]+)"#
          steps.append(
            .regex(
              try step.pattern("regex_pattern", source), group: try step.int("group_select", in: -1000...1000) ?? 0,
              fallback: try step.string("fallback") ?? "[invalid]"))
        // There is one answer.
        case "take_first": break
        case "remove_whitespace": steps.append(.stripped)
        case "lowercase": steps.append(.lowered)
        case "uppercase": steps.append(.raised)
        case let other:
          throw step.error("function", "must be regex, remove_whitespace, lowercase, uppercase or take_first, not '\(other ?? "")'")
        }
      }
      filters.append(AnswerFilter(name: name, steps: steps))
    }
    return filters
  }
}

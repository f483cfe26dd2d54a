import JSON

/// What lm-evaluation-harness 0.4 writes to its results file, key by key, so that a script that reads its files reads these. One model: its very
/// layout, and what only hoof knows under "hoof". Several models: {"models": {name: that layout, …}, "hoof": …}: the script reads
/// `file["models"][name]` where it read `file`. What the harness cannot say, such as a perplexity beyond the range of a Double, is null.
extension TaskReport {
  public var json: JSON {
    if models.count == 1 { return json(of: models[0]) }
    var all = JSON.Object()
    for model in models { all[model.name] = json(of: model) }
    var own = common
    own["models"] = .array(models.map { .string($0.name) })
    own["seconds"] = .double(models.reduce(0) { $0 + $1.seconds })
    own["comparison"] = pairings.isEmpty ? nil : .array(pairings.map(TaskReport.json))
    return ["models": .object(all), "hoof": .object(own)]
  }

  /// One model as a file of its own.
  public func json(of model: Model) -> JSON {
    let groups = groupResults(of: model)
    let names = TaskHierarchy.sorted(model.results.map(\.name))
    func table(_ value: (TaskResult) -> JSON) -> JSON.Object {
      let results = Dictionary(model.results.map { ($0.name, $0) }) { first, _ in first }
      return names.reduce(into: JSON.Object()) { object, name in object[name] = results[name].map(value) }
    }
    var results = JSON.Object()
    for task in model.results { results[task.name] = TaskReport.json(task) }
    for group in groups { results[group.name] = TaskReport.json(group) }
    var reported = JSON.Object()
    for group in groups where hierarchy[group.name]?.metrics.isEmpty == false { reported[group.name] = TaskReport.json(group) }
    var members = JSON.Object()
    for group in hierarchy.downwards { members[group.name] = .array(group.members.map { .string($0) }) }

    var versions = table { Double($0.version).map { .double($0) } ?? .string($0.version) }
    var shots = table { .int($0.shots) }
    var directions = table { task in
      .object(task.metrics.reduce(into: JSON.Object()) { $0[$1.name] = .bool($1.isHigherBetter) })
    }
    let inherited = inherited(by: model)
    for group in hierarchy.downwards {
      versions[group.name] = .string(group.version)
      guard let own = inherited[group.name] else { continue }
      if let count = own.shots { shots[group.name] = .int(count) }
      if !own.metrics.isEmpty {
        directions[group.name] = .object(
          own.metrics.reduce(into: JSON.Object()) { $0[$1] = own.isHigherBetter[$1]?.map { .bool($0) } ?? .null })
      }
    }
    var counts = JSON.Object()
    for task in model.results { counts[task.name] = ["original": .int(task.questions), "effective": .int(task.asked)] }

    var file = JSON.Object()
    file["results"] = .object(results)
    if reported.count > 0 { file["groups"] = .object(reported) }
    file["group_subtasks"] = .object(members)
    file["configs"] = .object(table { (try? JSON(parsing: $0.definition)) ?? .string($0.definition) })
    file["versions"] = .object(versions.sorted)
    file["n-shot"] = .object(shots.sorted)
    file["higher_is_better"] = .object(directions.sorted)
    file["n-samples"] = .object(counts)
    file["config"] = config(of: model)
    file["date"] = conditions.date.map { .double($0) }
    file["max_length"] = model.maxLength.map { .int($0) }
    file["model_source"] = "hoof"
    file["model_name"] = .string(model.path)
    file["model_name_sanitized"] = .string(TaskReport.sanitized(model.path))
    file["total_evaluation_time_seconds"] = .string("\(model.seconds)")
    var own = common
    own["name"] = .string(model.name)
    own["fingerprint"] = .string(model.fingerprint)
    own["seconds"] = .double(model.seconds)
    if let pairing = pairings.first(where: { $0.cut == model.name }) { own["comparison"] = TaskReport.json(pairing) }
    file["hoof"] = .object(own)
    return .object(file)
  }

  private var common: JSON.Object {
    var own = JSON.Object()
    own["format"] = "hoof-tasks"
    own["version"] = 1
    own["program"] = .string(conditions.program)
    own["backend"] = .string(conditions.backend)
    own["precision"] = .string(conditions.precision)
    own["data"] = .string(conditions.dataFolder)
    return own
  }

  private func config(of model: Model) -> JSON {
    [
      "model": "hoof", "model_args": .string("pretrained=\(model.path)"),
      "model_num_parameters": model.parameters.map { .int($0) } ?? nil, "model_dtype": model.type.map { .string($0) } ?? nil,
      "model_sha": .string(model.fingerprint), "device": .string(conditions.backend), "limit": conditions.limit.map { .int($0) } ?? nil,
      "bootstrap_iters": .int(conditions.draws), "gen_kwargs": nil, "random_seed": 0, "numpy_seed": 1234, "torch_seed": 1234,
      "fewshot_seed": .int(conditions.fewShotSeed),
    ]
  }

  /// A name that files may have, as the harness makes it: two underscores for each run of characters that could mean something else.
  static func sanitized(_ name: String) -> String {
    var (text, isInside) = ("", false)
    for character in name {
      let isSpecial = "\"<>:/|\\?*[]".contains(character)
      if !isSpecial { text.append(character) } else if !isInside { text += "__" }
      isInside = isSpecial
    }
    return text
  }

  private static func json(_ task: TaskResult) -> JSON {
    var entry = JSON.Object()
    entry["name"] = .string(task.name)
    entry["alias"] = .string(task.alias)
    entry["sample_len"] = .int(task.asked)
    for metric in task.metrics { add(metric.name, metric.filter, metric.value, metric.standardError, to: &entry) }
    return .object(entry)
  }

  private static func json(_ group: GroupResult) -> JSON {
    var entry = JSON.Object()
    entry["alias"] = .string(group.alias)
    entry["name"] = .string(group.name)
    guard !group.metrics.isEmpty else { return .object(entry) }
    entry["sample_len"] = .int(group.questions)
    for metric in group.metrics { add(metric.name, metric.filter, metric.score.value, metric.score.standardError, to: &entry) }
    entry["sample_count"] = .object(group.metrics.reduce(into: JSON.Object()) { $0[$1.key] = .int($1.score.questions) })
    return .object(entry)
  }

  private static func add(_ name: String, _ filter: String, _ value: Double, _ error: Double?, to entry: inout JSON.Object) {
    entry["\(name),\(filter)"] = .double(value)
    entry["\(name)_stderr,\(filter)"] = error.map { .double($0) } ?? "N/A"
  }

  /// {"base", "cut", "level", "tasks": {name: {"kl", "kl_positions", metric: {…}}}, "groups": the same}
  private static func json(_ pairing: TaskPairing) -> JSON {
    func rows(_ areGroups: Bool) -> JSON {
      .object(pairing.rows.filter { $0.isGroup == areGroups }.reduce(into: JSON.Object()) { $0[$1.name] = json($1) })
    }
    return [
      "base": .string(pairing.base), "cut": .string(pairing.cut), "level": .double(PairedDifference.level), "tasks": rows(false),
      "groups": rows(true),
    ]
  }

  private static func json(_ row: TaskPairing.Row) -> JSON {
    var entry = JSON.Object()
    entry["alias"] = .string(row.alias)
    entry["kl"] = row.divergence.map { .double($0.mean) } ?? .null
    entry["kl_positions"] = row.divergence.map { .int($0.positions) } ?? .null
    for difference in row.differences { entry[difference.metric] = json(difference) }
    return .object(entry)
  }

  private static func json(_ pair: PairedDifference) -> JSON {
    func number(_ value: Double?) -> JSON { value.map { .double($0) } ?? .null }
    func count(_ value: Int?) -> JSON { value.map { .int($0) } ?? .null }
    return [
      "questions": .int(pair.questions), "base": .double(pair.base), "cut": .double(pair.cut), "difference": .double(pair.difference),
      "interval": pair.interval.map { [.double($0.lowerBound), .double($0.upperBound)] } ?? .null, "lost": .int(pair.lost),
      "won": .int(pair.won), "both_right": count(pair.bothRight), "both_wrong": count(pair.bothWrong), "p": .double(pair.pValue),
      "p_holm": number(pair.adjustedPValue), "retained": number(pair.retained), "smallest_loss_shown": number(pair.smallestLoss),
      "verdict": .string(pair.verdict.rawValue),
    ]
  }
}

extension JSON.Object {
  /// By name.
  fileprivate var sorted: Self { TaskHierarchy.sorted(names).reduce(into: Self()) { $0[$1] = self[$1] } }
}

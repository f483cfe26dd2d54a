import Formats
import JSON
import Spelling

extension TaskDefinition {
  /// Keys that say nothing hoof would do otherwise: where the harness downloads data, and what it does about contamination.
  private static let ignoredKeys = [
    "dataset_path", "dataset_name", "dataset_kwargs", "should_decontaminate", "doc_to_decontamination_query",
  ]
  private static let ownKeys = [
    "files", "split_files", "layouts", "fields", "columns", "labels_file", "where", "constants", "doc_to_labels", "counted_text",
    "arithmetic_ladder",
  ]
  private static let mostLayouts = 64
  static let keys =
    [
      "task", "task_alias", "tag", "output_type", "doc_to_text", "doc_to_choice", "doc_to_target", "target_delimiter", "fewshot_delimiter",
      "description", "num_fewshot", "fewshot_config", "training_split", "validation_split", "test_split", "fewshot_split", "metric_list",
      "filter_list", "generation_kwargs", "gen_prefix", "metadata", "repeats",
    ] + ownKeys + ignoredKeys
  private static let pythonKeys = ["process_docs", "process_results", "custom_dataset", "class", "include", "use_prompt"]

  /// The layouts of a definition: one where it lists none.
  static func layouts(of object: JSON.Object, path: String) throws(FormatError) -> [TaskDefinition] {
    guard let name = object["task"]?.string, !name.isEmpty else { throw FormatError(path, "task", "must be the task's name") }
    let fields = Fields(path: path, object: object, prefix: name + ".")
    for key in pythonKeys where fields[key] != nil {
      throw fields.error(key, "is for Python, which hoof does not run; say with templates and \"layouts\" what it does")
    }
    try fields.refuseUnknown(besides: keys)
    guard let layouts = try fields.list("layouts") else { return [try TaskDefinition(fields)] }
    guard (1...mostLayouts).contains(layouts.count) else {
      throw fields.error("layouts", layouts.isEmpty ? "must not be empty" : "are \(layouts.count); at most \(mostLayouts) are taken")
    }
    var definitions: [TaskDefinition] = []
    for layout in layouts {
      try layout.refuseUnknown(besides: keys.filter { !["task", "layouts", "files", "split_files"].contains($0) })
      guard layout["fields"] != nil || layout["columns"] != nil else {
        throw layout.error("fields", "is missing: what a row of this layout has")
      }
      var merged = object
      merged["layouts"] = nil
      for (key, value) in layout.object.members { merged[key] = value }
      do throws(FormatError) {
        definitions.append(try TaskDefinition(Fields(path: path, object: merged, prefix: fields.prefix)))
      } catch { throw error.placed(in: layout, of: fields) }
    }
    return definitions
  }

  private init(_ fields: Fields) throws(FormatError) {
    path = fields.path
    name = try fields.string("task")!
    guard !name.contains(","), name.utf8.count <= 200 else { throw fields.error("task", "is no name for a task") }
    alias = try fields.string("task_alias") ?? name
    version = try fields.fields("metadata")?["version"].map { $0.string ?? $0.pythonText } ?? "Yaml"
    tags = try fields.strings("tag") ?? []
    files = try fields.strings("files") ?? [name]
    try fields.checkFiles("files", files)
    splitFiles = [:]
    if let lists = try fields.fields("split_files") {
      for split in lists.object.names {
        splitFiles[split] = try lists.strings(split)
        try lists.checkFiles(split, splitFiles[split] ?? [])
      }
    }
    ladder = nil
    if let style = try fields.string("arithmetic_ladder") {
      guard let known = ArithmeticLadder.Style(rawValue: style) else {
        throw fields.error("arithmetic_ladder", "must be plain or chain_of_thought, not '\(style)'")
      }
      ladder = known
    }
    columns = try fields.strings("columns") ?? []
    self.fields = try fields.strings("fields") ?? columns
    labelsFile = try fields.fields("labels_file").map { (file) throws(FormatError) in try LabelsFile(file) }
    guard labelsFile == nil || ladder == nil else { throw fields.error("labels_file", "needs a file, and the ladder has none") }
    constants = try fields.fields("constants").map { Dictionary($0.object.members.map { ($0.0, $0.1) }) { $1 } } ?? [:]
    condition = []
    for (name, value) in try fields.fields("where")?.object.members.map({ $0 }) ?? [] { condition.append((name, value.pythonText)) }

    let kind = try fields.string("output_type") ?? Output.generate.rawValue
    guard let output = Output(rawValue: kind) else {
      let known = Output.allCases.map(\.rawValue)
      throw fields.error("output_type", "must be one of \(known.joined(separator: ", "))\(NearestName.hint(for: kind, in: known))")
    }
    self.output = output
    if let repeats = try fields.int("repeats", in: 1...1_000_000), repeats != 1 {
      throw fields.error("repeats", "must be 1: answers are written greedily and would all be the same")
    }
    shots = try fields.int("num_fewshot", in: 0...1000)

    let delimiter = try fields.string("fewshot_delimiter") ?? "\n\n"
    prompt = try QuestionTemplates(fields, targetDelimiter: " ", exampleDelimiter: "\n\n", default: nil)
    let config = try fields.fields("fewshot_config")
    try config?.refuseUnknown(
      besides: [
        "sampler", "split", "samples", "doc_to_text", "doc_to_choice", "doc_to_target", "gen_prefix", "fewshot_delimiter",
        "target_delimiter",
      ])
    example = prompt
    if let config {
      example = try QuestionTemplates(
        config, targetDelimiter: prompt.targetDelimiter, exampleDelimiter: prompt.exampleDelimiter, default: prompt)
    }
    description = try fields.rowValue("description")
    labels = try fields.rowValue("doc_to_labels")
    counted = try fields.rowValue("counted_text")
    splits = Splits(
      training: try fields.string("training_split"), validation: try fields.string("validation_split"),
      test: try fields.string("test_split"))
    examples = try Examples(config, split: try fields.string("fewshot_split"))
    let known = [splits.training, splits.validation, splits.test, examples.split].compactMap(\.self)
    for split in splitFiles.keys.sorted() where !known.contains(split) {
      throw fields.error("split_files.\(split)", "is no split of the task\(NearestName.hint(for: split, in: known))")
    }
    (until, maxNewTokens) = try TaskDefinition.generation(fields, delimiter: delimiter)
    (metrics, exactMatch) = try TaskDefinition.metrics(fields, output)
    filters = try TaskDefinition.filters(fields)
    source = .object(fields.object)
    if output == .multipleChoice, prompt.choices == nil { throw fields.error("doc_to_choice", "is missing; \(output.rawValue) needs it") }
  }
}

extension TaskDefinition.LabelsFile {
  /// `{"suffix": "-labels.lst", "field": "label"}`
  fileprivate init(_ fields: Fields) throws(FormatError) {
    try fields.refuseUnknown(besides: ["suffix", "field"])
    guard let suffix = try fields.string("suffix"), (1...100).contains(suffix.utf8.count), !suffix.contains("/") else {
      throw fields.error("suffix", "must be what the name ends with in place of its ending, such as '-labels.lst'")
    }
    guard let field = try fields.string("field"), !field.isEmpty else { throw fields.error("field", "must be the name of the rows' field") }
    self.init(suffix: suffix, field: field)
  }
}

extension Fields {
  fileprivate func checkFiles(_ key: String, _ files: [String]) throws(FormatError) {
    for file in files where file.isEmpty || file.hasPrefix("/") || file.split(separator: "/").contains("..") {
      throw error(key, "must be names inside of the data folder, not '\(file)'")
    }
  }
}

extension FormatError {
  /// An error of a task with a layout's keys in place of its own, as one of the layout where the key is the layout's.
  fileprivate func placed(in layout: Fields, of task: Fields) -> FormatError {
    guard let field, field.hasPrefix(task.prefix), case let rest = field.dropFirst(task.prefix.count),
      layout[String(rest.prefix { $0 != "." && $0 != "[" })] != nil
    else { return self }
    return FormatError(path, layout.prefix + rest, reason)
  }
}

extension TaskDefinition.Examples {
  fileprivate init(_ config: Fields?, split: String?) throws(FormatError) {
    self.split = split
    guard let config else { return }
    if let name = try config.string("sampler") {
      guard let sampler = Sampler(rawValue: name) else { throw config.error("sampler", "must be default or first_n, not '\(name)'") }
      self.sampler = sampler
    }
    self.split = try config.string("split") ?? split
    if self.split == nil { rows = try config.list("samples")?.map(\.object) }
  }
}

extension QuestionTemplates {
  /// - Parameter outer: what keys that `fields` lacks are taken from; without it the target must be there.
  fileprivate init(_ fields: Fields, targetDelimiter: String, exampleDelimiter: String, default outer: QuestionTemplates?)
    throws(FormatError)
  {
    text = try fields.rowValue("doc_to_text") ?? outer?.text
    self.targetDelimiter = try fields.string("target_delimiter") ?? targetDelimiter
    self.exampleDelimiter = try fields.string("fewshot_delimiter") ?? exampleDelimiter
    answerPrefix = try fields.rowValue("gen_prefix") ?? outer?.answerPrefix
    switch fields["doc_to_choice"] {
    case nil: choices = outer?.choices
    case .string(let source): choices = .row(try fields.rowValue("doc_to_choice", source))
    case .array: choices = .fixed(try fields.strings("doc_to_choice")!)
    case .object(let object):
      if object.names.sorted() == ["as", "each"], let list = object["each"]?.string, let text = object["as"]?.string {
        choices = .each(try fields.rowValue("doc_to_choice.each", list), try fields.rowValue("doc_to_choice.as", text))
      } else {
        choices = .fixed(object.members.map(\.1.pythonText))
      }
    case let other?: throw fields.error("doc_to_choice", "must be a list, a field's name or a template, not \(other.kind)")
    }
    switch fields["doc_to_target"] {
    case nil:
      guard let outer else { throw fields.error("doc_to_target", "is missing") }
      target = outer.target
    case .string(let source): target = .row(try fields.rowValue("doc_to_target", source))
    case let value?: target = .fixed(value)
    }
  }
}

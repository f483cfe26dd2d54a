import Formats
import Glibc
import JSON
import TensorCore
import Terminal

extension Command {
  static let create = Command(
    spec: CommandSpec(
      "create", summary: "make a .hoof file of a model: convert, quantise, leave layers out",
      details: "Matrices keep their type unless one is asked for; norms are always f32.",
      positionals: [Positional("SOURCE", help: "a Hugging Face folder or a .hoof file")],
      options: [
        .output("the .hoof file to write")
      ] + MatrixType.options + [
        CommandOption("layers", .string, placeholder: "REPORT.json", help: "drop the suggested_drop of this ablation report"),
        CommandOption("drop-layers", .indices, help: "drop these layers: 3,5,10-12 (0-based, inclusive)"),
        CommandOption("keep-layers", .indices, help: "drop all but these layers"),
        .force, CommandOption("dry-run", help: "print the plan and write nothing"),
        .threads, .json, .quiet, CommandOption("verbose", short: "v", help: "list every tensor of the plan"),
      ],
      exclusive: [MatrixType.flags, ["layers", "drop-layers", "keep-layers"]],
      examples: [
        .init("hoof create Llama-3.2-3B-Instruct/ -o base.hoof --q8", "import a Hugging Face folder as Q8_0"),
        .init("hoof create base.hoof -o cut.hoof --layers ablation.json --dry-run", "what a cut would save"),
      ]),
    run: { arguments in
      Interrupt.catchSignals()
      let isDry = arguments.has("dry-run")
      guard let output = arguments.string("output") ?? (isDry ? "" : nil) else {
        throw UsageError(command: "create", "-o is missing: -o OUT.hoof")
      }
      let source = try Models.open(arguments.first("SOURCE")!)
      let plan = try Creation.plan(source, matrixType: MatrixType.wanted(arguments), arguments)
      if !arguments.has("quiet") { for note in plan.notes { Output.note("hoof: \(note)") } }
      if !isDry { try Creation.write(plan, to: output, arguments) }
      let result = Creation(plan: plan, output: isDry ? nil : output)
      if arguments.has("json") { return try Output.line(result.json.text(pretty: true)) }
      try Output.write(result.text(withTensors: arguments.has("verbose")))
    })
}

/// What `hoof create` did, or with --dry-run would do.
struct Creation {
  let plan: ModelImport
  /// nil when nothing was written.
  let output: String?

  static func plan(_ source: ModelSource, matrixType: DType?, _ arguments: Arguments) throws(CommandError) -> ModelImport {
    let cut = try cut(of: source, arguments)
    do throws(FormatError) {
      return try ModelImport(source, matrixType: matrixType, cut: cut)
    } catch {
      throw CommandError(error.description)
    }
  }

  private static func cut(of source: ModelSource, _ arguments: Arguments) throws(CommandError) -> ModelImport.Cut? {
    let count = source.config.layers.count
    func check(_ layers: [Int], _ place: String) throws(CommandError) {
      guard let bad = layers.first(where: { !(0..<count).contains($0) }) else { return }
      throw CommandError("\(place): layer \(bad) does not exist; \(source.path) has layers 0 to \(count - 1)")
    }
    func keep(without dropped: [Int]) -> [Int] { (0..<count).filter { !dropped.contains($0) } }
    if let path = arguments.string("layers") {
      let report = try DropSuggestion(reportAt: path, layers: count)
      try check(report.layers, "\(path): suggested_drop")
      return ModelImport.Cut(keepLayers: keep(without: report.layers), method: "layers", details: report.details)
    }
    if let dropped = arguments.indices("drop-layers") {
      try check(dropped, "--drop-layers")
      return ModelImport.Cut(keepLayers: keep(without: dropped), method: "drop-layers")
    }
    guard let kept = arguments.indices("keep-layers") else { return nil }
    try check(kept, "--keep-layers")
    return ModelImport.Cut(keepLayers: kept, method: "keep-layers")
  }

  static func write(_ plan: ModelImport, to output: String, _ arguments: Arguments) throws {
    let total = plan.items.reduce(0) { $0 + $1.inputBytes }
    let progress = Progress("writing \(output)", total: Double(total), unit: .bytes, quiet: arguments.has("quiet"))
    let reported = Counter()
    do throws(FormatError) {
      try plan.write(to: output, replacing: arguments.has("force"), threads: arguments.int("threads") ?? processorCount) { done, _ in
        progress.advance(by: Double(reported.step(to: done)))
        return !Interrupt.isRequested
      }
    } catch {
      progress.finish()
      if Interrupt.isRequested { throw Interrupted(saved: "no file was written") }
      throw CommandError(error.description)
    }
    progress.finish()
  }

  private static var processorCount: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

  func text(withTensors: Bool) -> String {
    let (before, after) = (plan.before, plan.after)
    let source = plan.source.originalLayers
    let dropped = source.indices.filter { !plan.originalLayers.contains(source[$0]) }
    var rows = [
      ("layers", "\(plan.source.config.layers.count) → \(plan.config.layers.count)"),
      ("parameters", "\(LargeCount(before.parameters)) → \(LargeCount(after.parameters))"),
      ("weights", "\(ByteCount(before.bytes)) → \(ByteCount(after.bytes))"),
      (
        "types",
        DType.allCases.compactMap { type in after.dtypes[type].map { "\(type.name) \(ByteCount($0.bytes))" } }.joined(separator: ", ")
      ),
    ]
    if !dropped.isEmpty { rows.insert(("dropped", Inspection.ranges(dropped)), at: 1) }
    var text = (output.map { "wrote \($0.onOneLine)" } ?? "would write") + "\n" + HelpText.table(rows)
    if withTensors {
      text += Inspection.aligned(
        plan.items.map { ["\($0.source?.dtype.name ?? "made") → \($0.dtype.name)", "\($0.shape.rows) × \($0.shape.columns)", $0.name] })
    }
    return text
  }

  var json: JSON {
    func sizes(_ sizes: ModelSizes, layers: Int) -> JSON {
      ["layers": .int(layers), "parameters": .int(sizes.parameters), "bytes": .int(sizes.bytes)]
    }
    var object: JSON.Object = [
      "source": .string(plan.source.path), "output": output.map { .string($0) } ?? nil,
      "before": sizes(plan.before, layers: plan.source.config.layers.count), "after": sizes(plan.after, layers: plan.config.layers.count),
      "original_layers": .array(plan.originalLayers.map { .int($0) }), "notes": .array(plan.notes.map { .string($0) }),
    ]
    var types = JSON.Object()
    for type in DType.allCases { if let size = plan.after.dtypes[type] { types[type.name] = .int(size.bytes) } }
    object["types"] = .object(types)
    return .object(object)
  }
}

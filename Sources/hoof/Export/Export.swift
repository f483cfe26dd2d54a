import Formats
import JSON
import TensorCore
import Terminal

/// Where an export goes.
enum ExportTarget {
  case folder(String)
  case gguf(String)

  /// What a folder's weights may be.
  static let types: [DType] = [.bf16, .f32, .f16]

  init(_ arguments: Arguments) throws(UsageError) {
    switch (arguments.string("hf"), arguments.string("gguf")) {
    case (let folder?, _): self = .folder(folder)
    case (nil, let file?): self = .gguf(file)
    case (nil, nil): throw UsageError(command: "export", "where to is missing: --hf DIR or --gguf FILE")
    }
  }

  var path: String {
    switch self {
    case .folder(let path), .gguf(let path): path
    }
  }
}

/// A model in the shape another program loads, and what to say about it.
struct Export {
  private enum Work {
    case folder(HuggingFaceExport)
    case gguf(GGUFExport)
  }

  private let source: ModelSource
  private let target: ExportTarget
  private let work: Work
  private let isTypeChosen: Bool

  init(_ source: ModelSource, to target: ExportTarget, _ arguments: Arguments) throws(CommandError) {
    self.source = source
    self.target = target
    isTypeChosen = arguments.string("dtype") != nil
    do throws(FormatError) {
      let plan = try ModelImport(source)
      let isStrict = arguments.has("strict")
      switch target {
      case .folder:
        let dtype = arguments.string("dtype").flatMap { name in ExportTarget.types.first { $0.name == name } }
        work = .folder(
          try HuggingFaceExport(
            plan,
            .init(
              dtype: dtype, shardBytes: max(1, arguments.int("shard-size") ?? 5 << 30), isStrict: isStrict, name: arguments.string("name"),
              base: arguments.string("base"))))
      case .gguf: work = .gguf(try GGUFExport(plan, isStrict: isStrict, name: arguments.string("name")))
      }
    } catch { throw CommandError(error.description) }
  }

  /// Said of a folder whose type nobody chose, and that the weights have not.
  private var widening: [String] {
    guard case .folder(let export) = work, export.dtype == .f32, source.tensors.values.contains(where: { !$0.dtype.isDense }) else {
      return []
    }
    return ["quantised weights become f32; --dtype bf16 halves that, and rounds them"]
  }

  private var changes: [String] {
    switch work {
    case .folder(let export): export.changes
    case .gguf(let export): export.changes
    }
  }

  private var after: (parameters: Int, bytes: Int, config: LlamaConfig) {
    switch work {
    case .folder(let export): (export.parameters, export.bytes, export.config)
    case .gguf(let export): (export.parameters, export.bytes, export.config)
    }
  }

  /// What the format cannot hold as it is, what is done instead, and what that costs: to be said before anything is written.
  var warnings: [String] {
    let made: [String] =
      switch work {
      case .folder(let export): export.notes
      case .gguf(let export): export.notes
      }
    let sizes = changes.isEmpty ? [] : ["parameters \(LargeCount(source.sizes.parameters)) → \(LargeCount(after.parameters)), \(bytes)"]
    return changes + sizes + made + (isTypeChosen ? [] : widening)
  }

  private var bytes: String { "weights \(ByteCount(source.sizes.bytes)) → \(ByteCount(after.bytes))" }

  func write(_ arguments: Arguments) throws {
    let progress = Progress("writing \(target.path)", total: Double(source.sizes.bytes), unit: .bytes, quiet: arguments.has("quiet"))
    let reported = Counter()
    let report: ModelImport.Progress = { done, _ in
      progress.advance(by: Double(reported.step(to: done)))
      return !Interrupt.isRequested
    }
    let (force, threads) = (arguments.has("force"), arguments.int("threads") ?? Creation.processorCount)
    do throws(FormatError) {
      switch work {
      case .folder(let export): try export.write(to: target.path, replacing: force, threads: threads, progress: report)
      case .gguf(let export): try export.write(to: target.path, replacing: force, threads: threads, progress: report)
      }
    } catch {
      progress.finish()
      if Interrupt.isRequested { throw Interrupted(saved: "nothing was written") }
      throw CommandError(error.description)
    }
    progress.finish()
  }

  func text(isWritten: Bool) -> String {
    let (parameters, _, config) = after
    let layer = config.layers[0]
    let rows = [
      ("layers", "\(source.config.layers.count) → \(config.layers.count)"),
      ("each", "\(layer.queryHeads) heads, \(layer.keyHeads) key heads, \(layer.intermediateSize) neurons"),
      ("parameters", "\(LargeCount(source.sizes.parameters)) → \(LargeCount(parameters))"),
      ("weights", "\(ByteCount(source.sizes.bytes)) → \(ByteCount(after.bytes))"),
    ]
    return (isWritten ? "wrote \(target.path.onOneLine)" : "would write \(target.path.onOneLine)") + "\n" + HelpText.table(rows)
  }

  func json(isWritten: Bool) -> JSON {
    func sizes(_ parameters: Int, _ bytes: Int, _ config: LlamaConfig) -> JSON {
      ["layers": .int(config.layers.count), "parameters": .int(parameters), "bytes": .int(bytes)]
    }
    let format: JSON = if case .folder = work { "hugging-face" } else { "gguf" }
    return [
      "source": .string(source.path), "output": isWritten ? .string(target.path) : nil, "format": format,
      "before": sizes(source.sizes.parameters, source.sizes.bytes, source.config),
      "after": sizes(after.parameters, after.bytes, after.config),
      "changes": .array(changes.map { .string($0) }), "notes": .array(warnings.map { .string($0) }),
    ]
  }
}

import Formats
import Glibc
import JSON
import Surgery
import TensorCore
import Terminal

/// What `hoof create` did, or with --dry-run would do.
struct Creation {
  let plan: ModelImport
  let cut: CutPlan
  let notes: [String]
  /// nil when nothing was written.
  let output: String?

  static func plan(
    _ source: ModelSource, matrixType: DType?, _ request: RequestedCut, merging adapter: AdapterFile?
  ) throws(CommandError) -> ModelImport {
    do throws(FormatError) {
      return try ModelImport(source, matrixType: matrixType, cut: request.cut, merging: adapter)
    } catch {
      throw CommandError(error.description)
    }
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

  static var processorCount: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

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
    var text = (output.map { "wrote \($0.onOneLine)" } ?? "would write") + "\n" + HelpText.table(rows) + layerTable
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
      "original_layers": .array(plan.originalLayers.map { .int($0) }), "notes": .array(notes.map { .string($0) }),
    ]
    var types = JSON.Object()
    for type in DType.allCases { if let size = plan.after.dtypes[type] { types[type.name] = .int(size.bytes) } }
    object["types"] = .object(types)
    if !cut.isEmpty { object["layers"] = .array(changes.map(\.json)) }
    return .object(object)
  }

  /// A layer that stays, before and after.
  private struct Change {
    let layer: Int
    let before: LlamaConfig.Layer, after: LlamaConfig.Layer

    var isNone: Bool { (before.queryHeads, before.intermediateSize) == (after.queryHeads, after.intermediateSize) }

    var json: JSON {
      func pair(_ path: KeyPath<LlamaConfig.Layer, Int>) -> JSON {
        ["before": .int(before[keyPath: path]), "after": .int(after[keyPath: path])]
      }
      return ["layer": .int(layer), "heads": pair(\.queryHeads), "kv_heads": pair(\.keyHeads), "neurons": pair(\.intermediateSize)]
    }

    var cells: [String] {
      func cell(_ path: KeyPath<LlamaConfig.Layer, Int>) -> String {
        let (old, new) = (before[keyPath: path], after[keyPath: path])
        return old == new ? "\(old)" : "\(old) → \(new == 0 ? "cut" : String(new))"
      }
      return ["\(layer)", cell(\.queryHeads), cell(\.keyHeads), cell(\.intermediateSize)]
    }
  }

  private var changes: [Change] {
    zip(cut.keptLayers(of: plan.source.config), plan.config.layers).map {
      Change(layer: $0, before: plan.source.config.layers[$0], after: $1)
    }
  }

  /// Heads and neurons of the layers that lose some.
  private var layerTable: String {
    let lines = changes.filter { !$0.isNone }.map(\.cells)
    return lines.isEmpty ? "" : Inspection.aligned([["layer", "heads", "kv", "neurons"]] + lines)
  }
}

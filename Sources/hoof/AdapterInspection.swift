import Formats
import JSON
import Terminal

/// What `hoof inspect` knows about a LoRA adapter's folder.
struct AdapterInspection {
  let adapter: AdapterFile
  let isVerified: Bool

  static func run(_ path: String, _ arguments: Arguments) throws {
    let inspection = try AdapterInspection(path, verifying: arguments.has("verify"))
    if arguments.has("json") { return try Output.line(inspection.json.text(pretty: true)) }
    try Output.write(inspection.text(withTensors: arguments.has("verbose")))
  }

  private init(_ path: String, verifying: Bool) throws(CommandError) {
    do throws(FormatError) {
      adapter = try AdapterFile.open(path)
      if verifying { for tensor in adapter.pairs.flatMap({ [$0.a, $0.b] }) { _ = try adapter.values(of: tensor) } }
    } catch { throw CommandError(error.description) }
    isVerified = verifying
  }

  private var modules: [String] { AdapterTargets.parts.filter { part in adapter.pairs.contains { $0.part == part } }.map(\.moduleName) }
  private var layers: [Int] { Set(adapter.pairs.map(\.layer)).sorted() }
  private var ranks: [Int] { Set(adapter.pairs.map(\.rank)).sorted() }
  private var scales: [Double] { Set(adapter.pairs.map(\.scale)).sorted() }

  func text(withTensors: Bool) -> String {
    let settings = adapter.settings
    let bytes = adapter.pairs.reduce(0) { $0 + $1.a.range.count + $1.b.range.count }
    var rows = [
      ("adapter", adapter.path), ("format", "PEFT LoRA" + (settings.rankStabilized ? ", rank-stabilised" : "")),
      ("rank", ranks.map(String.init).joined(separator: ", ")),
      ("alpha", "\(settings.alpha.fixed(2)), scale \(scales.map { $0.fixed(4) }.joined(separator: ", "))"),
      ("dropout", settings.dropout.fixed(3)), ("modules", modules.joined(separator: ", ")), ("layers", Inspection.ranges(layers)),
      ("parameters", "\(LargeCount(adapter.parameterCount)) (\(adapter.parameterCount)), \(ByteCount(bytes))"),
      ("base", adapter.base.map { "fingerprint \($0)" } ?? "not said; the shapes alone tell whether a model fits"),
    ]
    if isVerified { rows.append(("verified", "no NaN, no infinity (the format has no checksums)")) }
    var text = HelpText.table(rows.map { ($0.0, $0.1.onOneLine) })
    if withTensors {
      text += "\ntensors:\n"
      text += Inspection.aligned(
        adapter.pairs.flatMap { [$0.a, $0.b] }.map { [$0.dtype.name, "\($0.shape.rows) × \($0.shape.columns)", $0.name] })
    }
    return text
  }

  var json: JSON {
    var object: JSON.Object = [
      "path": .string(adapter.path), "format": "peft-lora", "rank": .int(adapter.settings.rank), "alpha": .double(adapter.settings.alpha),
      "dropout": .double(adapter.settings.dropout), "rank_stabilized": .bool(adapter.settings.rankStabilized),
      "modules": .array(modules.map { .string($0) }), "layers": .array(layers.map { .int($0) }), "parameters": .int(adapter.parameterCount),
      "base": adapter.base.map { .string($0) } ?? nil,
    ]
    if isVerified { object["verified"] = true }
    object["pairs"] = .array(
      adapter.pairs.map { pair in
        [
          "weight": .string(pair.name), "rank": .int(pair.rank), "scale": .double(pair.scale), "inputs": .int(pair.a.shape.columns),
          "outputs": .int(pair.b.shape.rows), "dtype": .string(pair.a.dtype.name),
        ]
      })
    return .object(object)
  }
}

import Formats
import JSON
import TensorCore
import Terminal
import Tokenization

extension Inspection {
  func text(withTensors: Bool) -> String {
    let config = source.config
    let sizes = source.sizes
    var rows = [
      ("model", source.path), ("format", format),
      ("parameters", "\(LargeCount(sizes.parameters)) (\(sizes.parameters)), \(ByteCount(sizes.bytes))"),
      ("types", Inspection.shares(sizes)),
      ("width", "\(config.hiddenSize), heads of \(config.headDim), vocabulary \(config.vocabularySize)"),
      ("context", "\(config.contextLength), \(rope)"),
      ("head", config.tiedEmbeddings ? "tied to the embedding" : "its own matrix"),
      (
        "tokens",
        "begin \(config.bosToken.map(String.init) ?? "none"), end \(config.eosTokens.isEmpty ? "none" : config.eosTokens.map(String.init).joined(separator: ", "))"
      ),
      ("tokenizer", tokenizer.map { "\($0.vocabularySize) ids" } ?? "none"), ("chat template", template),
    ]
    if let fingerprint { rows.append(("fingerprint", fingerprint)) }
    if let verified { rows.append(("verified", verified)) }
    var text = HelpText.table(rows.map { ($0.0, $0.1.onOneLine) }) + "\n" + layerTable
    if !source.history.isEmpty { text += "\nsurgery history, oldest first:\n" + history }
    if withTensors { text += "\ntensors:\n" + tensorTable }
    return text
  }

  private var rope: String {
    let theta = "rotary base \(source.config.ropeTheta.fixed(0))"
    switch source.config.ropeScaling {
    case .none: return theta
    case .linear(let factor): return theta + ", stretched linearly by \(factor)"
    case .llama3(let factor, _, _, let context): return theta + ", stretched by \(factor) from \(context) (llama3)"
    }
  }

  private var template: String {
    guard let template = source.chatTemplate else { return "none" }
    let size = "\(template.count) characters"
    do throws(TokenizerError) {
      return "\(try ChatTemplate(template, bos: "", eos: "").family.rawValue), \(size)"
    } catch {
      return "\(size), of a kind hoof does not render"
    }
  }

  private static func shares(_ sizes: ModelSizes) -> String {
    DType.allCases.compactMap { dtype in sizes.dtypes[dtype].map { "\(dtype.name) \(ByteCount($0.bytes))" } }.joined(separator: ", ")
  }

  private var layerTable: String {
    let wasCut = source.originalLayers != Array(source.config.layers.indices)
    var lines = [["layer"] + (wasCut ? ["was"] : []) + ["heads", "kv", "mlp", "parameters", "size", "types"]]
    for (index, layer) in source.config.layers.enumerated() {
      let tensors = parts(of: index).map(\.tensor)
      let matrices = tensors.filter { !TensorName.isNorm($0.name) }
      let types = DType.allCases.filter { type in matrices.contains { $0.dtype == type } }.map(\.name)
      lines.append(
        ["\(index)"] + (wasCut ? ["\(source.originalLayers[index])"] : [])
          + [
            layer.queryHeads == 0 ? "cut" : "\(layer.queryHeads)", layer.queryHeads == 0 ? "–" : "\(layer.keyHeads)",
            layer.intermediateSize == 0 ? "cut" : "\(layer.intermediateSize)",
            "\(LargeCount(tensors.reduce(0) { $0 + $1.shape.count }))", "\(ByteCount(tensors.reduce(0) { $0 + $1.range.count }))",
            types.joined(separator: " "),
          ])
    }
    return Inspection.aligned(lines)
  }

  /// [0, 1, 2, 5] → "0-2, 5"
  static func ranges(_ indices: [Int]) -> String { IndexRanges.text(indices) }

  private var tensorTable: String {
    Inspection.aligned(tensors.map { [$0.dtype.name, "\($0.shape.rows) × \($0.shape.columns)", "\(ByteCount($0.range.count))", $0.name] })
  }

  /// Columns aligned right, the last one left.
  static func aligned(_ lines: [[String]]) -> String {
    guard let first = lines.first else { return "" }
    let widths = first.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    return lines.map { line in
      let cells = line.enumerated().map { column, cell in
        column == line.count - 1 ? cell : cell.padded(to: widths[column], left: true)
      }
      return "  " + cells.joined(separator: "  ") + "\n"
    }.joined()
  }
}

extension Inspection {
  var json: JSON {
    let sizes = source.sizes
    var object: JSON.Object = [
      "path": .string(source.path), "format": .string(source.format.rawValue), "config": source.config.json,
      "parameters": .int(sizes.parameters), "bytes": .int(sizes.bytes),
      "types": .object(Inspection.object(DType.allCases.compactMap { type in sizes.dtypes[type].map { (type.name, $0) } })),
      "kinds": .object(Inspection.object(ModelSizes.Kind.allCases.compactMap { kind in sizes.kinds[kind].map { (kind.rawValue, $0) } })),
      "original_layers": .array(source.originalLayers.map { .int($0) }), "history": .array(source.history),
      "tokenizer": tokenizer.map { ["vocabulary_size": .int($0.vocabularySize), "bos": .array($0.bosTokens.map { .int(Int($0)) })] } ?? nil,
      "chat_template": source.chatTemplate.map { .string($0) } ?? nil,
    ]
    if let fingerprint { object["fingerprint"] = .string(fingerprint) }
    if verified != nil { object["verified"] = true }
    object["layers"] = .array(source.config.layers.indices.map(layer))
    object["tensors"] = .array(
      tensors.map { tensor in
        [
          "name": .string(tensor.name), "dtype": .string(tensor.dtype.name),
          "shape": [.int(tensor.shape.rows), .int(tensor.shape.columns)], "bytes": .int(tensor.range.count),
        ]
      })
    return .object(object)
  }

  private func layer(_ index: Int) -> JSON {
    let layer = source.config.layers[index]
    var types = JSON.Object()
    for (part, tensor) in parts(of: index) { types[part.rawValue] = .string(tensor.dtype.name) }
    let tensors = parts(of: index).map(\.tensor)
    return [
      "layer": .int(index), "original_layer": .int(source.originalLayers[index]), "heads": .int(layer.queryHeads),
      "kv_heads": .int(layer.keyHeads), "intermediate_size": .int(layer.intermediateSize),
      "parameters": .int(tensors.reduce(0) { $0 + $1.shape.count }), "bytes": .int(tensors.reduce(0) { $0 + $1.range.count }),
      "dtypes": .object(types),
    ]
  }

  private static func object(_ sizes: [(String, ModelSizes.Size)]) -> JSON.Object {
    var object = JSON.Object()
    for (name, size) in sizes { object[name] = ["parameters": .int(size.parameters), "bytes": .int(size.bytes)] }
    return object
  }
}

import Dispatch
import Synchronization
import TensorCore

/// The maps that a plan's residual stream meets before its first sublayer, as rows of the embedding. They are the only ones that a plain Llama
/// can take over exactly: behind a sublayer, the norm of the next one divides by the length of the mapped row, and no weight knows that.
struct ResidualMaps {
  /// nil when there are no maps.
  let embedding: ModelImport.Item?
  /// What is done about them.
  let sentence: String?

  /// - Throws: for a map behind a sublayer.
  init(_ plan: ModelImport, format: String) throws(FormatError) {
    let items = Dictionary(uniqueKeysWithValues: plan.items.map { ($0.name, $0) })
    var maps: [ModelImport.Item] = []
    var isBehindSublayer = false
    func meet(_ name: String, _ place: String, _ kind: String) throws(FormatError) {
      guard let item = items[name] else { return }
      guard !isBehindSublayer else {
        throw FormatError(
          plan.source.path, place,
          "\(kind), which \(format) has no place for and which cannot go into other weights exactly; a .hoof file keeps it")
      }
      maps.append(item)
    }
    for (index, layer) in plan.config.layers.enumerated() {
      let place = "layer \(index)"
      try meet(TensorName.layer(index, .patch), place, "a patch multiplies the residual stream before it")
      if layer.queryHeads > 0 { isBehindSublayer = true }
      try meet(TensorName.layer(index, .attentionShortcut), place, "its stream changes basis (a model of a sliced width)")
      if layer.intermediateSize > 0 { isBehindSublayer = true }
      try meet(TensorName.layer(index, .mlpShortcut), place, "its stream changes basis (a model of a sliced width)")
    }
    try meet(TensorName.finalPatch, "final norm", "a patch multiplies the residual stream before it")
    guard !maps.isEmpty, let table = items[TensorName.embedding] else {
      (embedding, sentence) = (nil, nil)
      return
    }
    let product = EmbeddedMaps(plan: plan, table: table, maps: maps)
    embedding = ModelImport.Item(name: table.name, dtype: .f32, shape: table.shape, content: .made { try product.rows($0) })
    sentence =
      "\(maps.count == 1 ? "the map" : "\(maps.count) maps") of the stream before the first sublayer: multiplied into the embedding, in f32"
      + (plan.config.tiedEmbeddings ? "; the head, which was tied to it, becomes a matrix of its own" : "")
  }
}

/// Rows of an embedding behind maps, x·W₁ᵀ···Wₙᵀ. The maps are read once, when the first row is asked for.
private final class EmbeddedMaps: Sendable {
  private enum Map: Sendable {
    case diagonal([Float])
    /// W [C, C], row by row.
    case linear([Float])
  }
  private let plan: ModelImport
  private let table: ModelImport.Item
  private let items: [ModelImport.Item]
  private let read = Mutex<[Map]?>(nil)

  init(plan: ModelImport, table: ModelImport.Item, maps: [ModelImport.Item]) {
    (self.plan, self.table, items) = (plan, table, maps)
  }

  func rows(_ range: Range<Int>) throws -> [Float] {
    let maps = try read.withLock { known in
      if let known { return known }
      let maps = try items.map { item in
        let values = try floats(item, 0..<item.shape.rows)
        return item.shape.rows == 1 ? Map.diagonal(values) : .linear(values)
      }
      known = maps
      return maps
    }
    let width = table.shape.columns
    var block = try floats(table, range)
    for map in maps {
      switch map {
      case .diagonal(let factors): for index in block.indices { block[index] *= factors[index % width] }
      case .linear(let matrix): block = EmbeddedMaps.product(block, matrix, width: width)
      }
    }
    return block
  }

  private func floats(_ item: ModelImport.Item, _ rows: Range<Int>) throws(FormatError) -> [Float] {
    if case .made(let maker) = item.content {
      do { return try maker(rows) } catch { throw FormatError(plan.source.path, item.name, "\(error)") }
    }
    var values = [Float](repeating: 0, count: rows.count * item.shape.columns)
    var converter = RowConverter()
    let rowBytes = item.dtype.rowBytes(columns: item.shape.columns)
    _ = try converter.convert(item, rows: rows) { bytes in
      values.withUnsafeMutableBufferPointer { values in
        for row in rows.indices {
          let index = row - rows.lowerBound
          RowCodec.decode(
            bytes.baseAddress! + index * rowBytes, item.dtype, columns: item.shape.columns,
            into: values.baseAddress! + index * item.shape.columns)
        }
      }
    }
    return values
  }

  /// block [R, C] · Wᵀ, sums in double.
  private static func product(_ block: [Float], _ matrix: [Float], width: Int) -> [Float] {
    let rows = block.count / width
    return [Float](unsafeUninitializedCapacity: block.count) { out, count in
      nonisolated(unsafe) let target = out.baseAddress!
      DispatchQueue.concurrentPerform(iterations: rows) { row in
        block.withUnsafeBufferPointer { block in
          matrix.withUnsafeBufferPointer { matrix in
            for column in 0..<width {
              var sum = 0.0
              for index in 0..<width { sum += Double(block[row * width + index]) * Double(matrix[column * width + index]) }
              target[row * width + column] = Float(sum)
            }
          }
        }
      }
      count = block.count
    }
  }
}

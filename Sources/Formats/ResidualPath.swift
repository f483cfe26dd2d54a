import TensorCore

/// The linear maps that the residual stream meets on its way from one layer that stays to the next: patches, and the shortcuts of the layers
/// between that go. As one map.
struct ResidualPath: Sendable {
  private enum Map: Sendable {
    case diagonal([Float])
    case stored(StoredTensor)
    case made(RowMaker)
  }

  /// In the order of the forward pass.
  private var maps: [Map] = []
  private let width: Int

  /// - Parameters:
  ///   - first: the first layer of the source behind the one that stays before.
  ///   - last: the next that stays, or the number of layers.
  ///   - patch: a new one, behind everything that is there.
  init(from first: Int, to last: Int, of source: ModelSource, patch: ModelImport.Cut.Patch?) {
    width = source.config.hiddenSize
    func add(_ name: String) {
      guard let tensor = source.tensors[name] else { return }
      maps.append(tensor.shape.rows == 1 ? .diagonal(tensor.floats(row: 0)) : .stored(tensor))
    }
    for layer in first..<max(first, last) {
      for part in [TensorName.Part.patch, .attentionShortcut, .mlpShortcut] { add(TensorName.layer(layer, part)) }
    }
    add(last < source.config.layers.count ? TensorName.layer(last, .patch) : TensorName.finalPatch)
    switch patch {
    case nil: break
    case .diagonal(let factors): maps.append(.diagonal(factors))
    case .linear(let rows): maps.append(.made(rows))
    }
  }

  /// nil when the stream passes unchanged.
  var kind: LlamaConfig.ResidualMap? {
    if maps.isEmpty { return nil }
    return maps.allSatisfy { if case .diagonal = $0 { true } else { false } } ? .diagonal : .linear
  }

  /// - Parameter channels: rows and columns that stay; nil for all.
  func content(channels: [Int]?) -> ModelImport.Item.Content {
    if maps.count == 1, case .stored(let tensor) = maps[0] { return .stored(tensor, rows: channels, columns: channels) }
    let columns = channels ?? Array(0..<width)
    if kind == .diagonal {
      let factors = maps.reduce([Float](repeating: 1, count: width)) { product, map in
        guard case .diagonal(let factors) = map else { return product }
        return zip(product, factors).map { $0 * $1 }
      }
      return .made { _ in columns.map { factors[$0] } }
    }
    return .made { rows in
      let block = try self.rows(rows.map { columns[$0] })
      return (0..<rows.count).flatMap { row in columns.map { block[row * width + $0] } }
    }
  }

  /// Some rows of W = Wₙ···W₁, where the stream meets W₁ first and each map is x·Wᵀ.
  private func rows(_ indices: [Int]) throws -> [Float] {
    var block = [Float](repeating: 0, count: indices.count * width)
    for (row, index) in indices.enumerated() { block[row * width + index] = 1 }
    for map in maps.reversed() {
      switch map {
      case .diagonal(let factors):
        for row in indices.indices { for column in 0..<width { block[row * width + column] *= factors[column] } }
      case .stored(let tensor): block = try product(block) { tensor.floats(row: $0) }
      case .made(let maker): block = try product(block) { try maker($0..<$0 + 1) }
      }
    }
    return block
  }

  /// block [R, C] · W [C, C], row by row of W.
  private func product(_ block: [Float], _ row: (Int) throws -> [Float]) throws -> [Float] {
    let count = block.count / width
    var sums = [Double](repeating: 0, count: block.count)
    for middle in 0..<width where (0..<count).contains(where: { block[$0 * width + middle] != 0 }) {
      let values = try row(middle)
      for r in 0..<count {
        let factor = Double(block[r * width + middle])
        if factor == 0 { continue }
        for column in 0..<width { sums[r * width + column] += factor * Double(values[column]) }
      }
    }
    return sums.map { Float($0) }
  }
}

extension StoredTensor {
  /// One row as floats.
  public func floats(row: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: shape.columns) { buffer, count in
      RowCodec.decode(bytes.baseAddress! + row * rowBytes, dtype, columns: shape.columns, into: buffer.baseAddress!)
      count = shape.columns
    }
  }
}

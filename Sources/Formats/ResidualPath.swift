import TensorCore

/// The linear maps that the residual stream meets on its way from one layer that stays to the next, as one map: the patches and shortcuts of
/// the layers between that go, and the patches before the one that stays. With fewer channels every map loses the others' rows and columns,
/// as if they had gone before. A later cut of channels finds one product in the place of maps that met here, and through it what went by way of
/// those channels between two maps: that is the only cut for which the order matters.
///
/// Maps merge with their neighbours, with the embedding before the first layer, and behind a sublayer that has a shortcut with that and the
/// sublayer's output matrix. They cannot go into other projections: the norm behind a map divides by the length of the mapped row, which no
/// weight knows, and the stream passes a sublayer without a shortcut by.
struct ResidualPath: Sendable {
  private enum Map: Sendable {
    /// The factors of the columns that stay.
    case diagonal([Float])
    case stored(StoredTensor)
    case made(RowMaker)
  }

  /// In the order of the forward pass.
  private var maps: [Map] = []
  private let channels: [Int]?
  /// Of the source's columns, those that stay.
  private let columns: [Int]

  /// - Parameters:
  ///   - first: the first layer of the source behind the one that stays before.
  ///   - last: the next that stays, or the number of layers.
  ///   - patches: new ones, by the layer of the source they stand before; each behind what the source has there.
  ///   - channels: columns that stay; nil for all.
  init(
    from first: Int, to last: Int, of source: ModelSource, patches: [Int: ModelImport.Cut.Patch] = [:], channels: [Int]? = nil
  ) {
    let columns = channels ?? Array(0..<source.config.hiddenSize)
    (self.channels, self.columns) = (channels, columns)
    var maps: [Map] = []
    func add(_ name: String) {
      guard let tensor = source.tensors[name] else { return }
      guard tensor.shape.rows == 1 else { return maps.append(.stored(tensor)) }
      let factors = tensor.floats(row: 0)
      maps.append(.diagonal(columns.map { factors[$0] }))
    }
    for layer in first...last {
      add(layer < source.config.layers.count ? TensorName.layer(layer, .patch) : TensorName.finalPatch)
      switch patches[layer] {
      case nil: break
      case .diagonal(let factors): maps.append(.diagonal(columns.map { factors[$0] }))
      case .linear(let rows): maps.append(.made(rows))
      }
      guard layer < last else { break }
      for part in [TensorName.Part.attentionShortcut, .mlpShortcut] { add(TensorName.layer(layer, part)) }
    }
    self.maps = maps
  }

  /// nil when the stream passes unchanged.
  var kind: LlamaConfig.ResidualMap? {
    if maps.isEmpty { return nil }
    return maps.allSatisfy { if case .diagonal = $0 { true } else { false } } ? .diagonal : .linear
  }

  var content: ModelImport.Item.Content {
    if maps.count == 1, case .stored(let tensor) = maps[0] { return .stored(tensor, rows: channels, columns: channels) }
    if kind == .linear { return .made { rows in try self.rows(rows) } }
    let factors = maps.reduce([Float](repeating: 1, count: columns.count)) { product, map in
      guard case .diagonal(let factors) = map else { return product }
      return zip(product, factors).map { $0 * $1 }
    }
    return .made { _ in factors }
  }

  private func rows(_ range: Range<Int>) throws -> [Float] { try product(range).map { Float($0) } }

  /// Some rows of Wₙ···W₁·M, for the matrix M [C, K] that writes to the stream before it meets W₁.
  /// - Parameter chosen: columns of M that stay; nil for all.
  func applied(behind matrix: StoredTensor, columns chosen: [Int]?, rows range: Range<Int>) throws -> [Float] {
    try product(product(range), width: chosen?.count ?? matrix.shape.columns) { row in
      let whole = matrix.floats(row: row)
      return chosen.map { $0.map { whole[$0] } } ?? whole
    }.map { Float($0) }
  }

  /// Some rows of W = Wₙ···W₁, where the stream meets W₁ first and each map is x·Wᵀ.
  private func product(_ range: Range<Int>) throws -> [Double] {
    let width = columns.count
    var block = [Double](repeating: 0, count: range.count * width)
    for (row, index) in range.enumerated() { block[row * width + index] = 1 }
    for map in maps.reversed() {
      switch map {
      case .diagonal(let factors): for index in block.indices { block[index] *= Double(factors[index % width]) }
      case .stored(let tensor): block = try product(block, width: width) { kept(tensor.floats(row: $0)) }
      case .made(let maker): block = try product(block, width: width) { kept(try maker($0..<$0 + 1)) }
      }
    }
    return block
  }

  private func kept(_ row: [Float]) -> [Float] { columns.map { row[$0] } }

  /// Rows of the source's width → the columns that stay of x·W₁ᵀ···Wₙᵀ, one after another.
  func applied(to rows: [[Float]]) throws -> [Float] {
    let width = columns.count
    var block = rows.flatMap { row in columns.map { Double(row[$0]) } }
    for map in maps {
      switch map {
      case .diagonal(let factors): for index in block.indices { block[index] *= Double(factors[index % width]) }
      case .stored(let tensor): block = try transposedProduct(block) { tensor.floats(row: $0) }
      case .made(let maker): block = try transposedProduct(block) { try maker($0..<$0 + 1) }
      }
    }
    return block.map { Float($0) }
  }

  /// block [R, k] · Wᵀ, W [k, k] row by row.
  private func transposedProduct(_ block: [Double], _ row: (Int) throws -> [Float]) throws -> [Double] {
    let width = columns.count
    var products = [Double](repeating: 0, count: block.count)
    for (out, index) in columns.enumerated() {
      let whole = try row(index)
      let values = columns.map { Double(whole[$0]) }
      for start in stride(from: 0, to: block.count, by: width) {
        var sum = 0.0
        for column in 0..<width { sum += block[start + column] * values[column] }
        products[start + out] = sum
      }
    }
    return products
  }

  /// block [R, k] · W [k, width], row by row of W; a row that nothing is multiplied with is not asked for.
  private func product(_ block: [Double], width: Int, _ row: (Int) throws -> [Float]) throws -> [Double] {
    let rows = block.count / columns.count
    var sums = [Double](repeating: 0, count: rows * width)
    for (middle, index) in columns.enumerated() where (0..<rows).contains(where: { block[$0 * columns.count + middle] != 0 }) {
      let values = try row(index).map { Double($0) }
      for row in 0..<rows {
        let factor = block[row * columns.count + middle]
        if factor == 0 { continue }
        for column in 0..<width { sums[row * width + column] += factor * values[column] }
      }
    }
    return sums
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

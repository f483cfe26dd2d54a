import Dispatch
import Glibc
import JSON
import Synchronization
import TensorCore

extension ModelImport {
  /// Called from any thread, one call at a time, with weight bytes read so far and in all; false stops the work.
  public typealias Progress = @Sendable (_ done: Int, _ total: Int) -> Bool

  /// About this much of a source is converted at a time by each thread; with its result it is all the memory that is needed.
  private static let blockBytes = 1 << 20

  /// Writes the .hoof file. Weights go block by block from the mapped source through a small buffer into the file.
  /// - Throws: for NaN or infinite weights, values a type cannot hold, an existing file without `replacing`, a full disk, a stop by
  ///   `progress`; in each case no file appears and an existing one stays as it was.
  public func write(to path: String, replacing: Bool = false, threads: Int, progress: Progress = { _, _ in true }) throws(FormatError) {
    precondition(threads > 0, "write: \(threads) threads")
    try checkIsNotSource(path)
    let header = HoofHeader(
      config: config, chatTemplate: source.chatTemplate, history: history, originalLayers: originalLayers,
      origin: isCut ? nil : source.origin ?? source.fingerprint())
    let headerBytes = Array(header.json.text().utf8)
    var table = HoofTable(laying: items.map { ($0.name, $0.dtype, $0.shape) })
    let tokenizer = source.tokenizer ?? []
    var prefix = HoofFile.Prefix(
      headerBytes: headerBytes.count, tokenizerBytes: tokenizer.count, tableBytes: table.json.text().utf8.count, dataBytes: table.dataBytes)
    let output = try OutputFile(path: path, byteCount: prefix.fileBytes, replacing: replacing)

    let sums = try writeTensors(table, at: prefix.dataOffset, to: output, threads: threads, progress: progress)
    for index in table.entries.indices { table.entries[index].checksum = sums[index] }
    let sections = headerBytes + tokenizer + Array(table.json.text().utf8)
    prefix.checksum = CRC32C.sum(sections)
    try output.write(prefix.bytes + sections, at: 0)
    try output.commit()
  }

  /// A file that is read from must not be replaced, not even by its own cut: a cut that proves bad would have no way back.
  func checkIsNotSource(_ path: String) throws(FormatError) {
    var (target, origin) = (stat(), stat())
    guard stat(path, &target) == 0 else { return }
    for file in Set(source.tensors.values.map(\.file.path)) where stat(file, &origin) == 0 {
      if (origin.st_dev, origin.st_ino) == (target.st_dev, target.st_ino) {
        throw FormatError(path, nil, "is the source itself; choose another name for the result")
      }
    }
  }

  func checkIsNotSource(folder: String) throws(FormatError) {
    var (target, origin) = (stat(), stat())
    guard stat(folder, &target) == 0 else { return }
    for file in Set(source.tensors.values.map { parentFolder(of: $0.file.path) }) where stat(file, &origin) == 0 && isFolder(source.path) {
      if (origin.st_dev, origin.st_ino) == (target.st_dev, target.st_ino) {
        throw FormatError(folder, nil, "is the source itself; choose another folder for the result")
      }
    }
  }

  /// Some rows of one item.
  private struct Block {
    let item: Int
    let rows: Range<Int>
    /// Read or made.
    let byteCount: Int
  }

  /// Made rows come one after another from one thread, so there are more of them at a time for all threads to convert.
  private func blocks(made: Bool) -> [Block] {
    var blocks: [Block] = []
    for (index, item) in items.enumerated() where (item.source == nil) == made {
      let rowBytes = item.inputBytes / item.shape.rows
      let widest = max(rowBytes, item.dtype.rowBytes(columns: item.shape.columns), 1)
      let step = max(1, ModelImport.blockBytes * (made ? 16 : 1) / widest)
      for start in stride(from: 0, to: item.shape.rows, by: step) {
        let rows = start..<min(start + step, item.shape.rows)
        blocks.append(Block(item: index, rows: rows, byteCount: rows.count * rowBytes))
      }
    }
    return blocks
  }

  /// CRC-32C of every tensor as written.
  private func writeTensors(_ table: HoofTable, at dataOffset: Int, to output: OutputFile, threads: Int, progress: Progress)
    throws(FormatError) -> [UInt32]
  {
    let (stored, made) = (blocks(made: false), blocks(made: true))
    let state = Mutex(State(sums: [:], total: (stored + made).reduce(0) { $0 + $1.byteCount }))
    /// Converts a block, writes it where it belongs; false when the work is to stop.
    @Sendable func write(_ block: Block, rows: Range<Int>, _ convert: (Use) throws(FormatError) -> UInt32) -> Bool {
      let item = items[block.item]
      do throws(FormatError) {
        let sum = try convert { bytes throws(FormatError) in
          let start = dataOffset + table.entries[block.item].offset + rows.lowerBound * item.dtype.rowBytes(columns: item.shape.columns)
          try output.write(bytes, at: start)
          output.startFlush(start..<start + bytes.count)
        }
        return state.withLock { state in
          state.sums[block.item, default: []].append((rows, sum))
          state.done += block.byteCount / block.rows.count * rows.count
          if state.failure == nil, !progress(state.done, state.total) {
            state.failure = FormatError(output.path, nil, "stopped; nothing was written")
          }
          return state.failure == nil
        }
      } catch {
        state.withLock { $0.failure = $0.failure ?? error }
        return false
      }
    }

    let next = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: min(threads, max(stored.count, 1))) { _ in
      var worker = RowConverter()
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < stored.count else { return }
        let block = stored[index]
        let goesOn = write(block, rows: block.rows) { use throws(FormatError) in
          try worker.convert(items[block.item], rows: block.rows, use: use)
        }
        if !goesOn { return }
      }
    }
    for block in made {
      if let failure = state.withLock({ $0.failure }) { throw failure }
      let item = items[block.item]
      let values = try make(item, rows: block.rows)
      let share = (block.rows.count + threads - 1) / threads
      DispatchQueue.concurrentPerform(iterations: threads) { thread in
        let rows = block.rows.dropFirst(thread * share).prefix(share)
        if rows.isEmpty { return }
        var worker = RowConverter()
        _ = write(block, rows: rows) { use throws(FormatError) in
          try worker.encode(values, from: block.rows.lowerBound, item, rows: rows, path: output.path, use: use)
        }
      }
    }
    let (sums, failure) = state.withLock { ($0.sums, $0.failure) }
    if let failure { throw failure }
    return items.enumerated().map { index, item in
      (sums[index] ?? []).sorted { $0.rows.lowerBound < $1.rows.lowerBound }.reduce(0) { joined, piece in
        CRC32C.joined(joined, piece.sum, secondByteCount: piece.rows.count * item.dtype.rowBytes(columns: item.shape.columns))
      }
    }
  }

  private typealias Use = (UnsafeRawBufferPointer) throws(FormatError) -> Void

  private func make(_ item: Item, rows: Range<Int>) throws(FormatError) -> [Float] {
    guard case .made(let maker) = item.content else { preconditionFailure("write: \(item.name) has a source") }
    let values: [Float]
    do { values = try maker(rows) } catch let error as FormatError { throw error } catch {
      throw FormatError(source.path, item.name, "\(error)")
    }
    precondition(values.count == rows.count * item.shape.columns, "write: \(values.count) values for \(rows.count) rows of \(item.name)")
    return values
  }

  private struct State {
    var sums: [Int: [(rows: Range<Int>, sum: UInt32)]]
    let total: Int
    var done = 0
    var failure: FormatError?
  }

  /// An item's bytes as `write` puts them into a file.
  public func bytes(of item: Item) throws(FormatError) -> [UInt8] {
    var bytes: [UInt8] = []
    let rowBytes = item.dtype.rowBytes(columns: item.shape.columns)
    bytes.reserveCapacity(item.shape.rows * rowBytes)
    var worker = RowConverter()
    let step = max(1, ModelImport.blockBytes / max(1, rowBytes))
    for start in stride(from: 0, to: item.shape.rows, by: step) {
      let rows = start..<min(start + step, item.shape.rows)
      let append: Use = { bytes.append(contentsOf: $0) }
      if item.source == nil {
        _ = try worker.encode(make(item, rows: rows), from: start, item, rows: rows, path: source.path, use: append)
      } else {
        _ = try worker.convert(item, rows: rows, use: append)
      }
    }
    return bytes
  }
}

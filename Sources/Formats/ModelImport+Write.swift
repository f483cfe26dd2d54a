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
    let header = HoofHeader(config: config, chatTemplate: source.chatTemplate, history: history, originalLayers: originalLayers)
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
  private func checkIsNotSource(_ path: String) throws(FormatError) {
    var (target, origin) = (stat(), stat())
    guard stat(path, &target) == 0 else { return }
    for file in Set(items.map(\.source.file.path)) where stat(file, &origin) == 0 {
      if (origin.st_dev, origin.st_ino) == (target.st_dev, target.st_ino) {
        throw FormatError(path, nil, "is the source itself; choose another name for the result")
      }
    }
  }

  /// Some rows of one tensor.
  private struct Block {
    let item: Int
    let rows: Range<Int>
    /// Of the source.
    let byteCount: Int
  }

  private var blocks: [Block] {
    var blocks: [Block] = []
    for (index, item) in items.enumerated() {
      let widest = max(item.source.rowBytes, item.dtype.rowBytes(columns: item.shape.columns), 1)
      let step = max(1, ModelImport.blockBytes / widest)
      for start in stride(from: 0, to: item.shape.rows, by: step) {
        let rows = start..<min(start + step, item.shape.rows)
        blocks.append(Block(item: index, rows: rows, byteCount: rows.count * item.source.rowBytes))
      }
    }
    return blocks
  }

  /// CRC-32C of every tensor as written.
  private func writeTensors(_ table: HoofTable, at dataOffset: Int, to output: OutputFile, threads: Int, progress: Progress)
    throws(FormatError) -> [UInt32]
  {
    let blocks = self.blocks
    let total = blocks.reduce(0) { $0 + $1.byteCount }
    let state = Mutex(State(sums: Array(repeating: 0, count: blocks.count)))
    let next = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: min(threads, max(blocks.count, 1))) { _ in
      var worker = RowConverter()
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < blocks.count else { return }
        let block = blocks[index]
        let item = items[block.item]
        do throws(FormatError) {
          let sum = try worker.convert(item, rows: block.rows) { bytes throws(FormatError) in
            let start =
              dataOffset + table.entries[block.item].offset + block.rows.lowerBound * item.dtype.rowBytes(columns: item.shape.columns)
            try output.write(bytes, at: start)
            output.startFlush(start..<start + bytes.count)
          }
          let goesOn = state.withLock { state in
            state.sums[index] = sum
            state.done += block.byteCount
            if state.failure == nil, !progress(state.done, total) {
              state.failure = FormatError(output.path, nil, "stopped; nothing was written")
            }
            return state.failure == nil
          }
          if !goesOn { return }
        } catch {
          state.withLock { $0.failure = $0.failure ?? error }
          return
        }
      }
    }
    let (sums, failure) = state.withLock { ($0.sums, $0.failure) }
    if let failure { throw failure }
    var joined = [UInt32](repeating: 0, count: items.count)
    for (block, sum) in zip(blocks, sums) {
      let item = items[block.item]
      joined[block.item] = CRC32C.joined(
        joined[block.item], sum, secondByteCount: block.rows.count * item.dtype.rowBytes(columns: item.shape.columns))
    }
    return joined
  }

  private struct State {
    var sums: [UInt32]
    var done = 0
    var failure: FormatError?
  }
}

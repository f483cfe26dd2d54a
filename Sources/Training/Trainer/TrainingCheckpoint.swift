import Formats
import JSON
import TensorCore

/// The file that an interrupted run goes on from: which run it is, how far it came, and every bit that the next step depends on.
///
/// 64 bytes: "hoofckp1", bytes of the data and of the header (u64), CRC-32C of the header (u32), zeros. Then the tensors, each at a multiple of
/// 64, as their device has them. Then the header, JSON. Little-endian. For the program that wrote it, on the machine that wrote it: it is no
/// format to keep models in.
public struct TrainingCheckpoint: Sendable {
  public let path: String
  /// What determines the run's numbers, by name.
  public let run: JSON.Object
  public let progress: TrainingProgress
  public let memory: StepMemory
  /// Whatever else the one who saved it wanted to remember.
  public let notes: JSON.Object
  let best: (step: Int, heldOut: Double)?
  let entries: [Entry]
  private let file: MappedFile

  static let magic = Array("hoofckp1".utf8)
  static let alignment = 64

  struct Entry: Sendable {
    let name: String
    let dtype: DType
    let shape: Shape
    let offset: Int
    var checksum: UInt32 = 0

    var byteCount: Int { dtype.rowBytes(columns: shape.columns) * shape.rows }

    /// As long for one checksum as for another.
    var json: JSON {
      [
        "name": .string(name), "dtype": .string(dtype.name), "rows": .int(shape.rows), "columns": .int(shape.columns),
        "offset": .int(offset), "crc32c": .string(String(repeating: "0", count: 8 - hex.count) + hex),
      ]
    }
    private var hex: String { String(checksum, radix: 16) }
  }

  /// Checks the whole file, its tensors' bytes too.
  /// - Throws: when it is not there, damaged, or of another version.
  public init(path: String) throws(FormatError) {
    let file = try MappedFile(path: path)
    let bytes = file.bytes
    func broken(_ what: String) -> FormatError {
      FormatError(path, nil, "\(what); remove the file to start afresh")
    }
    guard bytes.count >= 64, bytes.starts(with: TrainingCheckpoint.magic) else {
      throw broken("is not a checkpoint of this version of hoof")
    }
    let dataBytes = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    let headerBytes = bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
    let (end, overflows) = dataBytes.addingReportingOverflow(headerBytes)
    guard !overflows, end == UInt64(bytes.count - 64) else { throw broken("has another length than it says") }
    let header = UnsafeRawBufferPointer(rebasing: bytes[(64 + Int(dataBytes))...])
    guard CRC32C.sum(header) == bytes.loadUnaligned(fromByteOffset: 24, as: UInt32.self) else { throw broken("is damaged") }
    let json: JSON
    do throws(JSONError) { json = try JSON(parsing: Array(header)) } catch { throw broken("has a header that is not JSON: \(error)") }

    var entries: [Entry] = []
    for item in json["tensors"]?.array ?? [] {
      guard let name = item["name"]?.string, let dtype = item["dtype"]?.string.flatMap(DType.init(name:)), let rows = item["rows"]?.int,
        let columns = item["columns"]?.int, let offset = item["offset"]?.int,
        let sum = item["crc32c"]?.string.flatMap({ UInt32($0, radix: 16) })
      else { throw broken("has a table that cannot be read") }
      let end = 64 + Int(dataBytes)
      // No type has more than two columns to a byte; a larger count might overflow on its way to bytes.
      guard rows >= 0, (0...2 * end).contains(columns), (64...end).contains(offset),
        case let (size, overflows) = dtype.rowBytes(columns: columns).multipliedReportingOverflow(by: rows), !overflows,
        size <= end - offset
      else { throw broken("has a table that cannot be right") }
      let entry = Entry(name: name, dtype: dtype, shape: Shape(rows, columns), offset: offset, checksum: sum)
      guard CRC32C.sum(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + entry.byteCount])) == sum else {
        throw FormatError(path, name, "the checksum is wrong: the file is damaged; remove it to start afresh")
      }
      entries.append(entry)
    }
    guard let run = json["run"]?.object, let progress = TrainingProgress(json["progress"]), let memory = StepMemory(json["memory"]) else {
      throw broken("has a header that cannot be read")
    }
    self.path = path
    self.file = file
    self.entries = entries
    (self.run, self.progress, self.memory, notes) = (run, progress, memory, json["notes"]?.object ?? [:])
    best = json["best"]?["step"]?.int.flatMap { step in json["best"]?["held_out"]?.double.map { (step, $0) } }
  }

  /// What is different in `other`, the run somebody wants to go on with, in words; nil when it is the same.
  public func difference(from other: JSON.Object) -> String? {
    for name in run.names + other.names.filter({ run[$0] == nil }) where run[name]?.text() != other[name]?.text() {
      func text(_ value: JSON?) -> String { value.map { $0.string ?? $0.text() } ?? "nothing" }
      return "its \(name) was \(text(run[name])), and is \(text(other[name])) now"
    }
    return nil
  }

  func bytes(of entry: Entry) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: file.bytes[entry.offset..<entry.offset + entry.byteCount])
  }
}

extension StepMemory {
  var json: JSON {
    [
      "checkpoints": .bool(checkpointsActivations), "may_checkpoint": .bool(mayCheckpoint), "rows_per_pass": .int(rowsPerPass),
      "rows_per_chunk": .int(rowsPerChunk),
    ]
  }

  /// nil for JSON that `json` did not write.
  init?(_ json: JSON?) {
    guard let checkpoints = json?["checkpoints"]?.bool, let may = json?["may_checkpoint"]?.bool, let pass = json?["rows_per_pass"]?.int,
      let chunk = json?["rows_per_chunk"]?.int, pass > 0, chunk > 0
    else { return nil }
    self.init(checkpointsActivations: checkpoints, mayCheckpoint: may, rowsPerPass: pass, rowsPerChunk: chunk)
  }
}

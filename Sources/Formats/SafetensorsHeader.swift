import JSON
import TensorCore

/// The header of a .safetensors file: eight bytes of length, then JSON that says where each tensor's bytes are. Checked as strictly as the
/// format's own library does: byte ranges follow one another without overlap or gap, and end where the file ends.
struct SafetensorsHeader: Sendable {
  struct Entry: Sendable {
    let name: String
    /// As written: "F32", "BF16", also types this program cannot use.
    let dtype: String
    let dimensions: [Int]
    /// Within the file.
    let range: Range<Int>
  }

  let entries: [String: Entry]
  let metadata: [String: String]

  /// The format's own limit.
  static let greatestHeader = 100_000_000

  private static let elementBits = [
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
    "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8, "C64": 64,
  ]

  /// `bytes` is the whole file.
  init(parsing bytes: UnsafeRawBufferPointer, path: String) throws(FormatError) {
    guard bytes.count >= 8 else {
      throw FormatError(path, nil, "has \(bytes.count) bytes; a safetensors file starts with 8 bytes of header length")
    }
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(SafetensorsHeader.greatestHeader) else {
      throw FormatError(
        path, "header length", "\(length) is above the limit of \(SafetensorsHeader.greatestHeader) bytes; not a safetensors file?")
    }
    guard length <= UInt64(bytes.count - 8) else {
      throw FormatError(path, "header length", "\(length) bytes are promised but only \(bytes.count - 8) follow; the file is truncated")
    }
    let dataStart = 8 + Int(length)
    let json: JSON
    do throws(JSONError) {
      json = try JSON(parsing: UnsafeRawBufferPointer(rebasing: bytes[8..<dataStart]).assumingMemoryBound(to: UInt8.self))
    } catch { throw FormatError(path, "header", error.description) }
    guard let object = json.object else { throw FormatError(path, "header", "must be a JSON object") }

    var entries: [String: Entry] = [:]
    var metadata: [String: String] = [:]
    for (name, value) in object.members {
      if name == "__metadata__" {
        for (key, text) in (value.object ?? [:]).members { metadata[key] = text.string }
      } else {
        entries[name] = try SafetensorsHeader.entry(name, value, dataStart: dataStart, fileEnd: bytes.count, path: path)
      }
    }
    try SafetensorsHeader.checkCover(entries, dataStart: dataStart, fileEnd: bytes.count, path: path)
    self.entries = entries
    self.metadata = metadata
  }

  private static func entry(_ name: String, _ value: JSON, dataStart: Int, fileEnd: Int, path: String) throws(FormatError) -> Entry {
    guard let object = value.object else { throw FormatError(path, name, "must be an object with dtype, shape and data_offsets") }
    let fields = Fields(path: path, object: object, prefix: name + ".")
    guard let dtype = try fields.string("dtype") else { throw fields.error("dtype", "is missing") }
    guard let shape = try fields.array("shape") else { throw fields.error("shape", "is missing") }
    guard let offsets = try fields.array("data_offsets"), offsets.count == 2, let start = offsets[0].int, let end = offsets[1].int else {
      throw fields.error("data_offsets", "must be two whole numbers")
    }
    guard 0 <= start, start <= end, end <= fileEnd - dataStart else {
      throw fields.error("data_offsets", "[\(start), \(end)] is outside the file's \(fileEnd - dataStart) bytes of data; truncated?")
    }
    var dimensions: [Int] = []
    var count = 1
    for dimension in shape {
      guard let size = dimension.int, size >= 0 else { throw fields.error("shape", "must hold whole numbers from 0") }
      dimensions.append(size)
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow else { throw fields.error("shape", "has more elements than 64 bits can count") }
      count = product
    }
    // A type this program has never heard of may still stand in the file, as long as nobody needs that tensor.
    if let bits = elementBits[dtype] {
      let (total, overflow) = count.multipliedReportingOverflow(by: bits)
      guard !overflow, total % 8 == 0, total / 8 == end - start else {
        throw fields.error("data_offsets", "\(end - start) bytes do not match shape \(dimensions) of \(dtype)")
      }
    }
    return Entry(name: name, dtype: dtype, dimensions: dimensions, range: dataStart + start..<dataStart + end)
  }

  private static func checkCover(_ entries: [String: Entry], dataStart: Int, fileEnd: Int, path: String) throws(FormatError) {
    var end = dataStart
    for entry in entries.values.sorted(by: { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }) {
      guard entry.range.lowerBound >= end else {
        throw FormatError(path, entry.name, "its bytes overlap another tensor's (at byte \(entry.range.lowerBound))")
      }
      guard entry.range.lowerBound == end else {
        throw FormatError(path, entry.name, "\(entry.range.lowerBound - end) bytes before it belong to no tensor; the file is damaged")
      }
      end = entry.range.upperBound
    }
    guard end == fileEnd else {
      throw FormatError(path, "header", "\(fileEnd - end) bytes at the end belong to no tensor; the file is damaged")
    }
  }
}

extension SafetensorsHeader.Entry {
  /// The tensor as this program uses it: f32, f16 or bf16, one or two dimensions; vectors are one row.
  func stored(in file: MappedFile) throws(FormatError) -> StoredTensor {
    let type: DType
    switch dtype {
    case "F32": type = .f32
    case "F16": type = .f16
    case "BF16": type = .bf16
    default: throw FormatError(file.path, name, "dtype \(dtype) is not supported; F32, F16 and BF16 are")
    }
    let shape: Shape
    switch dimensions.count {
    case 1: shape = Shape(1, dimensions[0])
    case 2: shape = Shape(dimensions[0], dimensions[1])
    default: throw FormatError(file.path, name, "has \(dimensions.count) dimensions; one or two are expected")
    }
    return StoredTensor(name: name, dtype: type, shape: shape, file: file, range: range)
  }
}

import JSON
import TensorCore

/// The tensor table of a .hoof file. Offsets count from the start of the data, so that they do not depend on the table's own length.
struct HoofTable: Sendable {
  struct Entry: Sendable {
    let name: String
    let dtype: DType
    let shape: Shape
    let offset: Int
    let byteCount: Int
    var checksum: UInt32
  }

  var entries: [Entry]
  /// Bytes from the start of the data to the end of the last tensor.
  let dataBytes: Int

  static let page = 4096
  /// Tensors from this size on start at a page; smaller ones at a cache line.
  static let bigTensor = 64 << 10
  private static let cacheLine = 64

  /// Places tensors one after another. Checksums are zero until the tensors are written.
  init(laying tensors: [(name: String, dtype: DType, shape: Shape)]) {
    var end = 0
    entries = tensors.map { tensor in
      let byteCount = tensor.dtype.rowBytes(columns: tensor.shape.columns) * tensor.shape.rows
      let alignment = byteCount >= HoofTable.bigTensor ? HoofTable.page : HoofTable.cacheLine
      let offset = (end + alignment - 1) / alignment * alignment
      end = offset + byteCount
      return Entry(name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, offset: offset, byteCount: byteCount, checksum: 0)
    }
    dataBytes = end
  }

  /// The length of the text is known before the checksums are: they always take eight digits.
  var json: JSON {
    [
      "tensors": .array(
        entries.map { entry in
          [
            "name": .string(entry.name), "dtype": .string(entry.dtype.name), "shape": [.int(entry.shape.rows), .int(entry.shape.columns)],
            "offset": .int(entry.offset), "bytes": .int(entry.byteCount), "crc32c": .string(hexadecimal(entry.checksum)),
          ]
        })
    ]
  }

  /// - Parameter dataBytes: how many bytes of data the file has.
  init(_ fields: Fields, dataBytes: Int) throws(FormatError) {
    guard let list = try fields.array("tensors") else { throw fields.error("tensors", "is missing") }
    var entries: [Entry] = []
    var names: Set<String> = []
    for (index, value) in list.enumerated() {
      guard let object = value.object, let name = object["name"]?.string else {
        throw fields.error("tensors", "entry \(index) has no name")
      }
      guard names.insert(name).inserted else { throw FormatError(fields.path, name, "stands twice in the tensor table") }
      entries.append(try HoofTable.entry(Fields(path: fields.path, object: object, prefix: name + "."), name: name, dataBytes: dataBytes))
    }
    var end = 0
    for entry in entries.sorted(by: { ($0.offset, $0.byteCount) < ($1.offset, $1.byteCount) }) {
      guard entry.offset >= end else {
        throw FormatError(fields.path, entry.name, "its bytes overlap another tensor's (at byte \(entry.offset))")
      }
      end = entry.offset + entry.byteCount
    }
    self.entries = entries
    self.dataBytes = dataBytes
  }

  private static func entry(_ fields: Fields, name: String, dataBytes: Int) throws(FormatError) -> Entry {
    guard let typeName = try fields.string("dtype") else { throw fields.error("dtype", "is missing") }
    guard let dtype = DType(name: typeName), dtype != .i32 else { throw fields.error("dtype", "'\(typeName)' is not supported") }
    let dimensions = try fields.ints("shape", in: 0...1 << 31)
    guard dimensions.count == 2 else { throw fields.error("shape", "must be two whole numbers") }
    let shape = Shape(dimensions[0], dimensions[1])
    let offset = try fields.requiredInt("offset", in: 0...Int.max)
    let byteCount = try fields.requiredInt("bytes", in: 0...Int.max)
    let (expected, overflow) = dtype.rowBytes(columns: shape.columns).multipliedReportingOverflow(by: shape.rows)
    guard !overflow, expected == byteCount else { throw fields.error("bytes", "\(byteCount) do not match shape \(shape) of \(dtype.name)") }
    guard offset <= dataBytes, byteCount <= dataBytes - offset else {
      throw fields.error("offset", "\(offset) + \(byteCount) bytes is outside the file's \(dataBytes) bytes of data")
    }
    guard offset % (byteCount >= bigTensor ? page : cacheLine) == 0 else { throw fields.error("offset", "\(offset) is not aligned") }
    guard let text = try fields.string("crc32c"), let checksum = UInt32(text, radix: 16), text == hexadecimal(checksum) else {
      throw fields.error("crc32c", "must be eight lower-case hexadecimal digits")
    }
    return Entry(name: name, dtype: dtype, shape: shape, offset: offset, byteCount: byteCount, checksum: checksum)
  }
}

/// Eight lower-case digits.
func hexadecimal(_ value: UInt32) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: 8 - digits.count) + digits
}

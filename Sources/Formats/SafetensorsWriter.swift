import JSON
import TensorCore

/// Writes a .safetensors file: the layout is fixed first, then the tensors' bytes come in any order.
public final class SafetensorsWriter: Sendable {
  public struct Item: Sendable {
    public var name: String
    /// One dimension for vectors.
    public var dimensions: [Int]
    public var dtype: DType

    public init(name: String, dimensions: [Int], dtype: DType) {
      self.name = name
      self.dimensions = dimensions
      self.dtype = dtype
    }

    var byteCount: Int { dimensions.reduce(1, *) * dtype.block.bytes }
  }

  private let output: OutputFile
  private let starts: [Int]

  /// - Parameters:
  ///   - items: dense tensors (f32, f16, bf16, i32), in the order of the file.
  ///   - metadata: what the file says beside its tensors, by name.
  public init(
    path: String, items: [Item], metadata: [(name: String, value: String)] = [], replacing: Bool = false
  ) throws(FormatError) {
    var notes: JSON.Object = ["format": "pt"]
    for (name, value) in metadata { notes[name] = .string(value) }
    var header: JSON.Object = ["__metadata__": .object(notes)]
    var starts: [Int] = []
    var end = 0
    for item in items {
      let type: JSON =
        switch item.dtype {
        case .f32: "F32"
        case .f16: "F16"
        case .bf16: "BF16"
        case .i32: "I32"
        case .q8_0, .q4_K: preconditionFailure("safetensors: \(item.name) is \(item.dtype.name), a block type")
        }
      let shape = item.dimensions.map { JSON.int($0) }
      header[item.name] = ["dtype": type, "shape": .array(shape), "data_offsets": [.int(end), .int(end + item.byteCount)]]
      starts.append(end)
      end += item.byteCount
    }
    var text = Array(JSON.object(header).text().utf8)
    // Spaces up to a cache line, so that the tensors can be used where they lie.
    text += Array(repeating: UInt8(ascii: " "), count: (120 - text.count % 64) % 64)
    self.starts = starts.map { $0 + 8 + text.count }
    output = try OutputFile(path: path, byteCount: 8 + text.count + end, replacing: replacing)
    let length = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) }
    try output.write(length + text, at: 0)
  }

  /// Bytes of tensor `item`, from its byte `offset` on. May be called from several threads.
  public func write(_ bytes: UnsafeRawBufferPointer, of item: Int, at offset: Int = 0) throws(FormatError) {
    try output.write(bytes, at: starts[item] + offset)
  }

  public func write(_ bytes: [UInt8], of item: Int, at offset: Int = 0) throws(FormatError) {
    try output.write(bytes, at: starts[item] + offset)
  }

  /// Gives the file its name.
  public func commit(synced: Bool = true) throws(FormatError) { try output.commit(synced: synced) }
}

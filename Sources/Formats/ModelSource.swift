import JSON
import TensorCore

/// A tensor in a mapped file: where its bytes are and how to read them. Vectors are one row.
public struct StoredTensor: Sendable {
  public let name: String
  public let dtype: DType
  public let shape: Shape
  public let file: MappedFile
  public let range: Range<Int>
  /// CRC-32C of the bytes as the file states it; nil when the format keeps no checksums.
  public let checksum: UInt32?

  init(name: String, dtype: DType, shape: Shape, file: MappedFile, range: Range<Int>, checksum: UInt32? = nil) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.file = file
    self.range = range
    self.checksum = checksum
  }

  /// Rows of `shape.rows` × `dtype.rowBytes`. Not aligned in a safetensors file: load them with `loadUnaligned`.
  /// Valid as long as `file` is.
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: file.bytes[range]) }
  public var rowBytes: Int { dtype.rowBytes(columns: shape.columns) }
}

/// What a model on disk says, whatever format holds it: a Hugging Face folder, a .hoof file or a GGUF file. Everything is checked when this value exists:
/// every tensor the config needs is there, with the right shape, inside its file.
public struct ModelSource: Sendable {
  public enum Format: String, Sendable { case folder = "hugging-face", hoof, gguf }

  public let path: String
  public let config: LlamaConfig
  /// The tensors of `config.tensorShapes`, and no others.
  public let tensors: [String: StoredTensor]
  /// The bytes of tokenizer.json; nil when the model has none.
  public let tokenizer: [UInt8]?
  public let chatTemplate: String?
  /// Each cut that led here, oldest first; empty for an uncut model.
  public let history: [JSON]
  /// For each layer, its index in the model this one was cut from.
  public let originalLayers: [Int]
  /// Fingerprint of the model this one was converted from without a cut: what was measured on the one holds for the other.
  public let origin: String?
  public let format: Format

  init(
    path: String, config: LlamaConfig, tensors: [String: StoredTensor], tokenizer: [UInt8]?, chatTemplate: String?, history: [JSON],
    originalLayers: [Int], origin: String? = nil, format: Format = .folder
  ) {
    self.path = path
    self.config = config
    self.tensors = tensors
    self.tokenizer = tokenizer
    self.chatTemplate = chatTemplate
    self.history = history
    self.originalLayers = originalLayers
    self.origin = origin
    self.format = format
  }

  /// Opens a Hugging Face folder, a .hoof file or a GGUF file. The weights are mapped, not read, but for those that GGUF keeps in another order.
  public static func open(path: String) throws(FormatError) -> ModelSource {
    if isFolder(path) {
      if AdapterFile.isAdapter(path) {
        throw FormatError(path, nil, "is an adapter, not a model; hoof create MODEL --merge-adapter makes a model of both")
      }
      return try HuggingFaceFolder.open(path)
    }
    let file = try MappedFile(path: path)
    if file.bytes.starts(with: HoofFile.magic) { return try HoofFile.open(file) }
    if file.bytes.starts(with: GGUFHeader.magic) { return try GGUFFile.open(file) }
    if let package = try PackagedModel.find(in: file) { return try package.source() }
    if path.hasSuffix(".safetensors") { throw FormatError(path, nil, "is one file of a model; give the folder it lies in") }
    throw FormatError(path, nil, "is neither a Hugging Face folder nor a .hoof or GGUF file")
  }
}

import Dispatch
import JSON
import Synchronization
import TensorCore

/// Opening a GGUF file as a model. Most tensors stay where they are; queries and keys, whose rows GGUF keeps in another order, and types that
/// are only read by widening them are put into a scratch file.
enum GGUFFile {
  static func open(_ file: MappedFile) throws(FormatError) -> ModelSource {
    let contents = try Contents(parsing: file.bytes, path: file.path)
    var tensors: [String: StoredTensor] = [:]
    var moved: [(place: Place, offset: Int)] = []
    var end = 0
    for place in contents.places {
      if place.isInPlace {
        tensors[place.name] = StoredTensor(name: place.name, dtype: place.dtype, shape: place.shape, file: file, range: place.range)
      } else {
        moved.append((place, end))
        end += (place.byteCount + HoofTable.page - 1) / HoofTable.page * HoofTable.page
      }
    }
    if end > 0 {
      let scratch = try ScratchFile(byteCount: end)
      try fill(scratch, moved, from: file.bytes)
      let mapped = MappedFile(scratch, shownAs: file.path)
      for (place, offset) in moved {
        tensors[place.name] = StoredTensor(
          name: place.name, dtype: place.dtype, shape: place.shape, file: mapped, range: offset..<offset + place.byteCount)
      }
    }
    return ModelSource(
      path: file.path, config: contents.config, tensors: tensors, tokenizer: contents.tokenizer, chatTemplate: contents.chatTemplate,
      history: contents.history, originalLayers: contents.originalLayers, format: .gguf)
  }

  /// A tensor of the model, and where the file has it.
  struct Place {
    /// Hugging Face's.
    let name: String
    let type: GGUFType
    let shape: Shape
    let range: Range<Int>
    /// Rows of a head whose rotary pairs are neighbours.
    let interleavedHead: Int?

    var dtype: DType { type.stored ?? .f32 }
    var isInPlace: Bool { type.stored != nil && interleavedHead == nil }
    var byteCount: Int { dtype.rowBytes(columns: shape.columns) * shape.rows }
    var sourceRowBytes: Int { shape.columns / type.block.elements * type.block.bytes }

    /// The file's row for one of the model's: its halves of a head are taken in turns there.
    func sourceRow(_ row: Int) -> Int {
      guard let head = interleavedHead else { return row }
      let place = row % head
      return row - place + place % (head / 2) * 2 + place / (head / 2)
    }

    /// `rows` as the model has them, `dtype` bytes one row after another.
    func rows(_ rows: Range<Int>, from bytes: UnsafeRawBufferPointer, into out: UnsafeMutableRawPointer) {
      let rowBytes = dtype.rowBytes(columns: shape.columns)
      for row in rows {
        let source = bytes.baseAddress! + range.lowerBound + sourceRow(row) * sourceRowBytes
        let target = out + (row - rows.lowerBound) * rowBytes
        if type.stored != nil {
          target.copyMemory(from: source, byteCount: rowBytes)
        } else {
          GGUFBlocks.decode(source, type, columns: shape.columns, into: target.bindMemory(to: Float.self, capacity: shape.columns))
        }
      }
    }
  }

  /// Everything but the weights, checked.
  struct Contents {
    let config: LlamaConfig
    let places: [Place]
    let tokenizer: [UInt8]?
    let chatTemplate: String?
    let history: [JSON]
    let originalLayers: [Int]

    init(parsing bytes: UnsafeRawBufferPointer, path: String) throws(FormatError) {
      let header = try GGUFHeader(parsing: bytes, path: path)
      config = try GGUFConfig(header, ropeFactors: Contents.ropeFactors(header, bytes)).config
      places = try Contents.places(header, config, path: path)
      let metadata = header.metadata
      tokenizer = try GGUFTokenizer(metadata, config)?.json
      chatTemplate = try metadata.string("tokenizer.chat_template")
      originalLayers =
        try metadata.ints("hoof.original_layers", in: 0...Limits.layers.upperBound) ?? Array(config.layers.indices)
      guard originalLayers.count == config.layers.count else {
        throw metadata.error("hoof.original_layers", "has \(originalLayers.count) entries for \(config.layers.count) layers")
      }
      guard let text = try metadata.string("hoof.history") else {
        history = []
        return
      }
      do throws(JSONError) { history = try JSON(parsing: text).array ?? [] } catch {
        throw metadata.error("hoof.history", error.description)
      }
    }

    private static func ropeFactors(_ header: GGUFHeader, _ bytes: UnsafeRawBufferPointer) throws(FormatError) -> [Float]? {
      guard header.tensors[GGUFName.ropeFactors] != nil else { return nil }
      let (type, rows, columns, range) = try header.checked(GGUFName.ropeFactors)
      guard type == .f32, rows == 1, columns <= Limits.headDim.upperBound else {
        throw header.metadata.error(GGUFName.ropeFactors, "must be one row of F32")
      }
      return (0..<columns).map { Float(bitPattern: bytes.loadUnaligned(fromByteOffset: range.lowerBound + 4 * $0, as: UInt32.self)) }
    }

    private static func places(_ header: GGUFHeader, _ config: LlamaConfig, path: String) throws(FormatError) -> [Place] {
      let names = GGUFName.names(of: config)
      var places: [Place] = []
      for (name, shape) in config.tensorShapes {
        let own = names[name]!
        let (type, rows, columns, range) = try header.checked(own)
        guard shape == Shape(rows, columns) else {
          throw FormatError(path, own, "has shape \(Shape(rows, columns)); the metadata asks for \(shape)")
        }
        // A bias that is silently left out would give a model that runs and is wrong.
        let bias = own.dropLast("weight".count) + "bias"
        if header.tensors[String(bias)] != nil { throw FormatError(path, String(bias), "biases are not supported") }
        let isPermuted = own.hasSuffix("attn_q.weight") || own.hasSuffix("attn_k.weight")
        places.append(
          Place(name: name, type: type, shape: shape, range: range, interleavedHead: isPermuted ? config.headDim : nil))
      }
      var end = 0
      for place in places.sorted(by: { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }) {
        guard place.range.lowerBound >= end else {
          throw FormatError(path, names[place.name], "its bytes overlap another tensor's (at byte \(place.range.lowerBound))")
        }
        end = place.range.upperBound
      }
      return places
    }
  }

  private static let blockBytes = 4 << 20

  private static func fill(
    _ scratch: ScratchFile, _ moved: [(place: Place, offset: Int)], from bytes: UnsafeRawBufferPointer
  ) throws(FormatError) {
    var blocks: [(tensor: Int, rows: Range<Int>)] = []
    for (index, (place, _)) in moved.enumerated() {
      let step = max(1, blockBytes / max(1, place.byteCount / max(1, place.shape.rows)))
      for start in stride(from: 0, to: place.shape.rows, by: step) {
        blocks.append((index, start..<min(start + step, place.shape.rows)))
      }
    }
    let failure = Mutex<FormatError?>(nil)
    nonisolated(unsafe) let source = bytes
    let (work, tensors) = (blocks, moved)
    DispatchQueue.concurrentPerform(iterations: work.count) { index in
      if failure.withLock({ $0 != nil }) { return }
      let (place, offset) = tensors[work[index].tensor]
      let rows = work[index].rows
      let rowBytes = place.dtype.rowBytes(columns: place.shape.columns)
      let block = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, rows.count * rowBytes), alignment: 64)
      defer { block.deallocate() }
      place.rows(rows, from: source, into: block.baseAddress!)
      do throws(FormatError) {
        try scratch.write(
          UnsafeRawBufferPointer(rebasing: block[..<(rows.count * rowBytes)]), at: offset + rows.lowerBound * rowBytes)
      } catch {
        failure.withLock { $0 = $0 ?? error }
      }
    }
    if let error = failure.withLock({ $0 }) { throw error }
  }
}

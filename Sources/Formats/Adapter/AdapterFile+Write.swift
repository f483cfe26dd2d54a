import Glibc
import JSON
import TensorCore

/// The matrices of one pair, to be written.
public struct AdapterMatrices: Sendable {
  public var layer: Int
  public var part: TensorName.Part
  public var rank: Int
  /// [r, in], row by row
  public var a: [Float]
  /// [out, r], row by row
  public var b: [Float]

  public init(layer: Int, part: TensorName.Part, rank: Int, a: [Float], b: [Float]) {
    precondition(rank > 0 && a.count % rank == 0 && b.count % rank == 0, "adapter: \(a.count) and \(b.count) values of rank \(rank)")
    self.layer = layer
    self.part = part
    self.rank = rank
    self.a = a
    self.b = b
  }
}

extension AdapterFile {
  /// Writes a folder that PEFT and `open` read. Both files are complete on the disk before either gets its name, the config's last: a folder is
  /// an adapter once it has that. A folder that was there keeps what else is in it.
  /// - Parameters:
  ///   - base: `ModelSource.identity` of the model that the adapter belongs to.
  ///   - baseName: where PEFT is to look for that model: a folder in Hugging Face's format, or a name on its hub.
  ///   - replacing: whether an adapter may be there already.
  /// - Throws: for NaN or infinite values, an existing adapter without `replacing`, a full disk; files that were there stay as they were.
  public static func write(
    _ pairs: [AdapterMatrices], _ settings: AdapterSettings, base: String?, baseName: String? = nil, to folder: String,
    replacing: Bool = false
  ) throws(FormatError) {
    let isNew = mkdir(folder, 0o777) == 0
    guard isNew || errno == EEXIST else { throw FormatError(folder, nil, "cannot be made: \(systemReason(errno))") }
    do throws(FormatError) {
      let weights = try weights(pairs, base: base, to: file(weightsName, in: folder), replacing: replacing)
      var json = settings.json.object ?? [:]
      if let baseName { json["base_model_name_or_path"] = .string(baseName) }
      let text = Array((JSON.object(json).text(pretty: true) + "\n").utf8)
      let config = try OutputFile(path: file(configName, in: folder), byteCount: text.count, replacing: replacing)
      try config.write(text, at: 0)
      try weights.commit()
      try config.commit()
    } catch {
      if isNew { rmdir(folder) }
      throw error
    }
  }

  private static func weights(
    _ pairs: [AdapterMatrices], base: String?, to path: String, replacing: Bool
  ) throws(FormatError) -> SafetensorsWriter {
    let matrices = pairs.flatMap { pair in
      [
        (AdapterTensorName(layer: pair.layer, part: pair.part, side: .a), [pair.rank, pair.a.count / pair.rank], pair.a),
        (AdapterTensorName(layer: pair.layer, part: pair.part, side: .b), [pair.b.count / pair.rank, pair.rank], pair.b),
      ]
    }
    let writer = try SafetensorsWriter(
      path: path, items: matrices.map { .init(name: $0.0.text, dimensions: $0.1, dtype: .f32) },
      metadata: base.map { [(baseKey, $0)] } ?? [], replacing: replacing)
    for (index, (name, _, values)) in matrices.enumerated() {
      guard values.allSatisfy(\.isFinite) else { throw FormatError(path, name.text, "holds NaN or infinite values; nothing was written") }
      try values.withUnsafeBytes { bytes in
        Result { () throws(FormatError) in try writer.write(bytes, of: index) }
      }.get()
    }
    return writer
  }
}

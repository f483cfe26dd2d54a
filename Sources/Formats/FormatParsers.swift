import JSON

/// The parsers of this module as functions of bytes alone, for mutation tests. Each throws or returns; anything else is a fault.
package enum FormatParsers {
  package static func safetensors(_ bytes: [UInt8]) throws(FormatError) {
    let header = try bytes.withUnsafeBufferPointer { buffer throws(FormatError) in
      try SafetensorsHeader(parsing: UnsafeRawBufferPointer(buffer), path: "fuzz.safetensors")
    }
    for entry in header.entries.values { touch(bytes, entry.range) }
  }

  package static func shardIndex(_ bytes: [UInt8]) throws(FormatError) {
    for place in try ShardIndex(Fields(path: "fuzz.index.json", parsing: bytes)).places.values {
      precondition(!place.isEmpty && !place.utf8.contains(UInt8(ascii: "/")), "shard index: '\(place)' leaves the folder")
    }
  }

  /// The last bytes of a package with the checksum put right first.
  package static func package(_ bytes: [UInt8]) throws(FormatError) {
    guard bytes.count >= PackageTrailer.byteCount else { return }
    var bytes = bytes
    let start = bytes.count - PackageTrailer.byteCount
    withUnsafeBytes(of: CRC32C.sum(Array(bytes[start..<start + 60])).littleEndian) { bytes.replaceSubrange((start + 60)..., with: $0) }
    let trailer = try bytes.withUnsafeBufferPointer { buffer throws(FormatError) in
      let last = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: buffer[start...]))
      return try PackageTrailer(parsing: last, fileBytes: buffer.count, path: "fuzz.package")
    }
    guard let trailer else { return }
    touch(bytes, trailer.model)
    touch(bytes, trailer.settings)
    _ = try PackageSettings(parsing: Array(bytes[trailer.settings]), path: "fuzz.package")
  }

  /// A package of no program and a model of a few bytes: what is changed in it is the trailer or the settings.
  package static var smallPackage: [UInt8] {
    let settings = PackageSettings(name: "small", system: "Be brief.").bytes
    return [1, 2, 3, 4] + settings + PackageTrailer(engineBytes: 0, modelBytes: 4, settingsBytes: settings.count).bytes
  }

  package static func adapterConfig(_ bytes: [UInt8]) throws(FormatError) {
    let settings = try AdapterSettings(Fields(path: "adapter_config.json", parsing: bytes))
    for part in AdapterTargets.parts {
      precondition(settings.rank(of: part, layer: 1) > 0 && settings.scale(of: part, layer: 1) > 0, "adapter: a scale that is not one")
      _ = settings.targets.contains(part, layer: 1)
    }
    let copy = try AdapterSettings(Fields(path: "copy", parsing: Array(settings.json.text().utf8)))
    precondition(copy == settings, "adapter: does not survive its own config")
  }

  /// - Parameter config: adapter_config.json of the adapter that the bytes were before they were changed.
  package static func adapter(_ bytes: [UInt8], config: [UInt8]) throws(FormatError) {
    let settings = try AdapterSettings(Fields(path: "adapter_config.json", parsing: config))
    let header = try bytes.withUnsafeBufferPointer { buffer throws(FormatError) in
      try SafetensorsHeader(parsing: UnsafeRawBufferPointer(buffer), path: "fuzz.safetensors")
    }
    for pair in try AdapterLayout(header, settings, path: "fuzz.safetensors").pairs {
      precondition(pair.a.dimensions[0] == pair.b.dimensions[1], "adapter: halves of two ranks")
      touch(bytes, pair.a.range)
      touch(bytes, pair.b.range)
    }
  }

  package static func config(_ bytes: [UInt8]) throws(FormatError) {
    let fields = try Fields(path: "config.json", parsing: bytes)
    let config = try HuggingFaceConfig(fields, generation: fields).config
    // What is accepted must be usable: no product of sizes may overflow, and the header must be able to say the same.
    if config.layers.count < 256 { precondition(config.parameterCount > 0, "config: no parameters") }
    let copy = try LlamaConfig(Fields(path: "header", parsing: Array(config.json.text().utf8)))
    precondition(copy == config, "config: does not survive its own header")
  }

  /// A whole .hoof file whose checksums are put right first; else no change would get past them.
  package static func hoof(_ bytes: [UInt8]) throws(FormatError) {
    var bytes = bytes
    HoofFile.repairChecksums(&bytes)
    let contents = try bytes.withUnsafeBufferPointer { buffer throws(FormatError) in
      try HoofFile.Contents(parsing: UnsafeRawBufferPointer(buffer), path: "fuzz.hoof")
    }
    for entry in contents.table.entries {
      touch(bytes, contents.dataOffset + entry.offset..<contents.dataOffset + entry.offset + entry.byteCount)
    }
  }

  /// A whole GGUF file; rows of its tensors are read as a model would read them.
  package static func gguf(_ bytes: [UInt8]) throws(FormatError) {
    try bytes.withUnsafeBufferPointer { buffer throws(FormatError) in
      let raw = UnsafeRawBufferPointer(buffer)
      let contents = try GGUFFile.Contents(parsing: raw, path: "fuzz.gguf")
      precondition(contents.originalLayers.count == contents.config.layers.count, "gguf: layers do not match")
      for place in contents.places where place.shape.count > 0 {
        touch(bytes, place.range)
        var out = [UInt8](repeating: 0, count: place.dtype.rowBytes(columns: place.shape.columns))
        for row in [0, place.shape.rows - 1] {
          precondition((0..<place.shape.rows).contains(place.sourceRow(row)), "gguf: a row outside of \(place.name)")
          out.withUnsafeMutableBytes { place.rows(row..<row + 1, from: raw, into: $0.baseAddress!) }
        }
      }
    }
  }

  /// The tokenizer.json made of a GGUF file's metadata; nil for a file without one.
  package static func ggufTokenizer(_ bytes: [UInt8]) throws(FormatError) -> [UInt8]? {
    try bytes.withUnsafeBufferPointer { buffer throws(FormatError) in
      try GGUFFile.Contents(parsing: UnsafeRawBufferPointer(buffer), path: "fuzz.gguf").tokenizer
    }
  }

  package static func hoofHeader(_ bytes: [UInt8]) throws(FormatError) {
    let header = try HoofHeader(Fields(path: "fuzz.hoof", parsing: bytes))
    precondition(header.originalLayers.count == header.config.layers.count, "header: layers do not match")
  }

  package static func hoofTable(_ bytes: [UInt8]) throws(FormatError) {
    let table = try HoofTable(Fields(path: "fuzz.hoof", parsing: bytes), dataBytes: 1 << 30)
    for entry in table.entries { precondition(entry.offset + entry.byteCount <= 1 << 30, "table: \(entry.name) is outside") }
  }

  /// Header and table JSON of a .hoof file: what the two functions above take.
  package static func hoofSections(_ bytes: [UInt8]) throws(FormatError) -> (header: [UInt8], table: [UInt8]) {
    let prefix = try bytes.withUnsafeBufferPointer { buffer throws(FormatError) in
      try HoofFile.Prefix(parsing: UnsafeRawBufferPointer(buffer), path: "seed.hoof")
    }
    let headerEnd = HoofFile.prefixBytes + prefix.headerBytes
    let tableStart = headerEnd + prefix.tokenizerBytes
    return (Array(bytes[HoofFile.prefixBytes..<headerEnd]), Array(bytes[tableStart..<tableStart + prefix.tableBytes]))
  }

  private static func touch(_ bytes: [UInt8], _ range: Range<Int>) {
    precondition(range.isEmpty || Int(bytes[range.lowerBound]) + Int(bytes[range.upperBound - 1]) >= 0, "a tensor's bytes are outside")
  }
}

extension HoofFile {
  /// Makes both checksums of the start fit its bytes, where the sizes allow; for tests that change the rest.
  package static func repairChecksums(_ bytes: inout [UInt8]) {
    guard bytes.count >= prefixBytes else { return }
    var end = UInt64(prefixBytes)
    for offset in [16, 24, 32] {
      let size = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[offset + $1]) << (8 * UInt64($1)) }
      end = end.addingReportingOverflow(size).partialValue
      guard size <= UInt64(bytes.count), end <= UInt64(bytes.count) else { break }
    }
    if end <= UInt64(bytes.count), end >= UInt64(prefixBytes) {
      store(CRC32C.sum(Array(bytes[prefixBytes..<Int(end)])), at: 56, in: &bytes)
    }
    store(CRC32C.sum(Array(bytes[..<60])), at: 60, in: &bytes)
  }

  private static func store(_ sum: UInt32, at offset: Int, in bytes: inout [UInt8]) {
    for index in 0..<4 { bytes[offset + index] = UInt8(truncatingIfNeeded: sum >> (8 * UInt32(index))) }
  }
}

@testable import Formats
import Glibc
import JSON
import TensorCore
import Testing
import TestSupport

@Suite("Bad .hoof files: one-line errors that name file and field")
struct HoofFileTests {
  private static func valid() throws -> (folder: TemporaryFolder, bytes: [UInt8]) {
    let folder = try SmallModels.folder(SmallModels.config, .bf16)
    try ModelImport(ModelSource.open(path: folder.path)).write(to: folder.file("good.hoof"), threads: 1)
    return (folder, try folder.read("good.hoof"))
  }

  private func refusal(_ folder: TemporaryFolder, _ bytes: [UInt8]) throws -> String {
    try folder.write("bad.hoof", bytes)
    return SmallModels.refusal(folder.file("bad.hoof"))
  }

  @Test("every prefix of a file is refused")
  func truncated() throws {
    let (folder, bytes) = try HoofFileTests.valid()
    for count in [1, 7, 8, 63, 64, 100, 3000, 4096, bytes.count / 2, bytes.count - 1] {
      let refusal = try refusal(folder, Array(bytes[..<count]))
      #expect(refusal.contains("bad.hoof: ") && !refusal.contains("opened"), "\(count) bytes: \(refusal)")
    }
    #expect(try refusal(folder, bytes + [0]).contains("file length: is \(bytes.count) but the file has \(bytes.count + 1) bytes"))
  }

  @Test("a changed byte anywhere in front of the weights is found on opening")
  func damagedStart() throws {
    let (folder, bytes) = try HoofFileTests.valid()
    let sections = try FormatParsers.hoofSections(bytes)
    let end = 64 + sections.header.count + sections.table.count
    for place in stride(from: 0, to: end, by: 97) {
      var damaged = bytes
      damaged[place] ^= 0x10
      let refusal = try refusal(folder, damaged)
      #expect(!refusal.contains("opened"), "byte \(place)")
    }
  }

  @Test("a changed byte in the weights is found by verify, which names the tensor")
  func damagedWeights() throws {
    let (folder, bytes) = try HoofFileTests.valid()
    let name = TensorName.layer(3, .down)
    let good = try ModelSource.open(path: folder.file("good.hoof"))
    try good.verify()
    var damaged = bytes
    damaged[try #require(good.tensors[name]).range.upperBound - 1] ^= 1
    try folder.write("bad.hoof", damaged)
    let source = try ModelSource.open(path: folder.file("bad.hoof"))
    #expect(throws: FormatError(folder.file("bad.hoof"), name, "the checksum is wrong; the file is damaged")) { try source.verify() }
  }

  /// Changes bytes of the prefix and puts the checksums right, as somebody who means harm would.
  private func refusal(prefixAt offset: Int, _ value: UInt64, width: Int = 8) throws -> String {
    var (folder, bytes) = try HoofFileTests.valid()
    for index in 0..<width { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index))) }
    HoofFile.repairChecksums(&bytes)
    return try refusal(folder, bytes)
  }

  @Test("newer versions, unknown flags, and sizes that lie although the checksums are right")
  func hostilePrefix() throws {
    #expect(try refusal(prefixAt: 8, 2, width: 2).contains("version: 2.0 is newer than this program's 1.0"))
    #expect(try refusal(prefixAt: 8, 0, width: 2).contains("version: 0.0 is not supported"))
    #expect(try refusal(prefixAt: 10, 9, width: 2) == "opened without an error")
    #expect(try refusal(prefixAt: 12, 1, width: 4).contains("flags: are not zero"))
    for (offset, name) in [(16, "header length"), (24, "tokenizer length"), (32, "table length"), (40, "data offset"), (48, "file length")]
    {
      for value in [UInt64.max, 1 << 63, 1 << 40] {
        let refusal = try refusal(prefixAt: offset, value)
        #expect(refusal.contains("bad.hoof: \(name): \(value) is beyond the end"), "\(refusal)")
      }
    }
    #expect(try refusal(prefixAt: 40, 0).contains("data offset: 0 lies inside the header"))
    #expect(try refusal(prefixAt: 40, 8191).contains("data offset: 8191 is not a multiple of 4096"))
  }

  @Test(
    "table entries that lie",
    arguments: [
      ("dtype", "q5_K", "dtype: 'q5_K' is not supported"),
      ("dtype", "i32", "dtype: 'i32' is not supported"),
      ("dtype", "f32", "bytes: 12288 do not match shape [96, 64] of f32"),
      ("shape", [96], "shape: must be two whole numbers"),
      ("shape", [-96, 64], "shape: must hold whole numbers"),
      ("shape", [2_147_483_648, 2_147_483_648], "bytes: 12288 do not match"),
      ("offset", 64, "offset: "),
      ("offset", 9_223_372_036_854_775_807, "offset: 9223372036854775807 + 12288 bytes is outside"),
      ("offset", -64, "offset: must be a whole number"),
      ("offset", 1, "offset: 1 is not aligned"),
      ("bytes", 12287, "bytes: 12287 do not match"),
      ("crc32c", "xyz", "crc32c: must be eight"),
      ("crc32c", nil, "crc32c: must be eight"),
      ("crc32c", "+1234567", "crc32c: must be eight"),
      ("name", "model.norm.weight", "model.norm.weight: stands twice"),
      ("name", "other", "model.embed_tokens.weight: the tensor is missing"),
    ] as [(String, JSON?, String)])
  func hostileTable(field: String, value: JSON?, message: String) throws {
    let (folder, bytes) = try HoofFileTests.valid()
    let refusal = try refusal(
      folder,
      try HoofFileTests.rebuilt(bytes) { header, table in
        var entry = table[0].object!
        entry[field] = value
        table[0] = .object(entry)
      })
    // Offset 64 overlaps the next tensor, whichever of the two is named.
    #expect(refusal.contains(field == "offset" && value == 64 ? "overlap another tensor's" : message), "\(refusal)")
  }

  @Test("a header without what it must have, with patches nobody can apply, or with lists of the wrong length")
  func hostileHeader() throws {
    let (folder, bytes) = try HoofFileTests.valid()
    func refusal(_ change: (inout JSON.Object) -> Void) throws -> String {
      try self.refusal(folder, try HoofFileTests.rebuilt(bytes) { header, _ in change(&header) })
    }
    func config(_ name: String, _ value: JSON?) throws -> String {
      try refusal {
        var config = $0["config"]!.object!
        config[name] = value
        $0["config"] = .object(config)
      }
    }
    #expect(try refusal { $0["config"] = nil }.contains("bad.hoof: config: is missing"))
    #expect(try refusal { $0["patches"] = [["after": 3]] }.contains("patches: an entry needs a layer from 0 to 4 and a kind"))
    #expect(
      try refusal { $0["patches"] = [["layer": 3, "kind": "cubic"]] }
        .contains("patches: this version of hoof cannot apply 'cubic' at layer 3; a newer one wrote the file"))
    #expect(try refusal { $0["patches"] = [["layer": 4, "kind": "mlp-shortcut"]] }.contains("cannot apply 'mlp-shortcut' at layer 4"))
    #expect(
      try refusal { $0["patches"] = [["layer": 1, "kind": "linear"], ["layer": 1, "kind": "diagonal"]] }
        .contains("patches: 'diagonal' stands twice at layer 1"))
    #expect(
      try refusal { $0["patches"] = [["layer": 1, "kind": "linear"]] }.contains("model.layers.1.patch.weight: the tensor is missing"))
    #expect(
      try refusal { $0["patches"] = [["layer": 4, "kind": "diagonal"]] }.contains("model.patch.weight: the tensor is missing"))
    #expect(
      try refusal { $0["patches"] = [["layer": 1, "kind": "linear", "rank": 3]] }
        .contains("patches: this version of hoof does not know 'rank' of 'linear' at layer 1; a newer one wrote the file"))
    for entry in [["layer": -1, "kind": "linear"], ["layer": 5, "kind": "linear"], ["layer": 1.5, "kind": "linear"], ["layer": 1], 3]
      as [JSON]
    {
      #expect(try refusal { $0["patches"] = [entry] }.contains("patches: an entry needs a layer from 0 to 4 and a kind"))
    }
    #expect(try refusal { $0["patches"] = 3 }.contains("patches: "))
    #expect(try refusal { $0["original_layers"] = [1, 2] }.contains("original_layers: has 2 entries for 4 layers"))
    #expect(try refusal { $0["something_new"] = 1 } == "opened without an error")
    #expect(try config("query_heads", [4, 4, 4]).contains("config.query_heads: has 3 entries for 4 layers"))
    #expect(try config("query_heads", [4, 4, 4, 3]).contains("config.key_value_heads: layer 3 has 3 query heads for 2 key heads"))
    #expect(try config("key_value_heads", [2, 2, 2, 0]).contains("layer 3 has 4 query heads for 0 key heads"))
    #expect(try config("intermediate_sizes", [172, 172, 172, 204]).contains("has shape [172, 64]; the config asks for [204, 64]"))
    #expect(try config("rope_parameters", nil).contains("config.rope_parameters: is missing"))
  }

  @Test(
    "maps of the residual stream whose tensors have another shape or a type that rounds too much",
    arguments: [
      ("linear", DType.f32, 1, "model.layers.1.patch.weight: has shape [1, 64]; the config asks for [64, 64]"),
      ("diagonal", .f32, 64, "model.layers.1.patch.weight: has shape [64, 64]; the config asks for [1, 64]"),
      ("linear", .q8_0, 64, "model.layers.1.patch.weight: is q8_0; patches and shortcuts must be f32, f16 or bf16"),
      ("diagonal", .bf16, 1, "model.layers.1.patch.weight: is bf16; patches and shortcuts must be f32"),
      ("linear", .bf16, 64, "opened without an error"),
    ])
  func hostileMaps(kind: String, dtype: DType, rows: Int, message: String) throws {
    let (folder, bytes) = try HoofFileTests.valid()
    let changed = try HoofFileTests.rebuilt(bytes) { header, table in
      header["patches"] = [["layer": 1, "kind": .string(kind)]]
      let index = table.firstIndex { $0["name"] == .string(TensorName.layer(3, .gate)) }!
      // The bytes of a layer that goes on existing in a tensor of its own are borrowed: 172 × 64 bf16 are enough for any of these.
      var entry = table[index].object!
      entry["name"] = .string(TensorName.layer(1, .patch))
      entry["dtype"] = .string(dtype.name)
      entry["shape"] = [.int(rows), 64]
      entry["bytes"] = .int(rows * dtype.rowBytes(columns: 64))
      table[index] = .object(entry)
      var config = header["config"]!.object!
      config["intermediate_sizes"] = [172, 172, 172, 0]
      header["config"] = .object(config)
    }
    #expect(try refusal(folder, changed).contains(message))
  }

  @Test("a layer without attention, or without an MLP, needs no tensors for it")
  func cutSublayers() throws {
    let (folder, bytes) = try HoofFileTests.valid()
    let names = [
      TensorName.layer(1, .gate), TensorName.layer(1, .mlpNorm), TensorName.layer(2, .query), TensorName.layer(2, .attentionNorm),
    ]
    let cut = try HoofFileTests.rebuilt(bytes) { header, table in
      var config = header["config"]!.object!
      config["query_heads"] = [4, 4, 0, 4]
      config["key_value_heads"] = [2, 2, 0, 2]
      config["intermediate_sizes"] = [172, 0, 172, 172]
      header["config"] = .object(config)
      table.removeAll { names.contains($0["name"]!.string!) }
    }
    try folder.write("cut.hoof", cut)
    let source = try ModelSource.open(path: folder.file("cut.hoof"))
    #expect(source.tensors.count == 2 + 4 * 9 - 5 - 4)
    // And such a model can be written and cut again.
    try ModelImport(source, cut: .init(keepLayers: [1, 2], method: "x")).write(to: folder.file("again.hoof"), threads: 1)
    let again = try ModelSource.open(path: folder.file("again.hoof"))
    #expect(again.config.layers.map(\.queryHeads) == [4, 0])
    #expect(again.config.layers.map(\.intermediateSize) == [0, 172])
  }

  /// The file with header and table changed, and everything around them made to fit.
  private static func rebuilt(_ bytes: [UInt8], _ change: (inout JSON.Object, inout [JSON]) -> Void) throws -> [UInt8] {
    let sections = try FormatParsers.hoofSections(bytes)
    let old = try bytes.withUnsafeBytes { try HoofFile.Prefix(parsing: $0, path: "") }
    var header = try #require(try JSON(parsing: sections.header).object)
    var table = try #require(try JSON(parsing: sections.table)["tensors"]?.array)
    change(&header, &table)
    let (headerText, tableText) = (JSON.object(header).text(), JSON.object(["tensors": .array(table)]).text())
    let front = Array((headerText + tableText).utf8)
    var prefix = HoofFile.Prefix(
      headerBytes: headerText.utf8.count, tokenizerBytes: 0, tableBytes: tableText.utf8.count, dataBytes: bytes.count - old.dataOffset)
    prefix.checksum = CRC32C.sum(front)
    return prefix.bytes + front + [UInt8](repeating: 0, count: prefix.dataOffset - 64 - front.count) + bytes[old.dataOffset...]
  }
}

@testable import Formats
import TensorCore
import Testing
import TestSupport

@Suite("Safetensors headers")
struct SafetensorsTests {
  private func file(_ header: String, data: Int, length: UInt64? = nil) -> [UInt8] {
    withUnsafeBytes(of: (length ?? UInt64(header.utf8.count)).littleEndian) { Array($0) } + Array(header.utf8)
      + [UInt8](repeating: 0, count: data)
  }

  private func refusal(_ bytes: [UInt8]) -> String {
    do {
      try FormatParsers.safetensors(bytes)
      return "accepted"
    } catch { return error.description }
  }

  private func tensor(_ name: String, _ dtype: String, _ shape: String, _ start: Int, _ end: Int) -> String {
    "\"\(name)\":{\"dtype\":\"\(dtype)\",\"shape\":\(shape),\"data_offsets\":[\(start),\(end)]}"
  }

  private func tensor(_ name: String, _ shape: String, _ start: Int, _ end: Int) -> String { tensor(name, "F32", shape, start, end) }

  @Test("valid headers: scalars, empty tensors, metadata, padding, types that are not used here")
  func valid() {
    #expect(refusal(file("{}", data: 0)) == "accepted")
    #expect(
      refusal(file("{\(tensor("a", "[]", 0, 4)),\(tensor("b", "[3,0]", 4, 4)),\(tensor("c", "I64", "[2,1,2]", 4, 36))}   ", data: 36))
        == "accepted")
    #expect(refusal(file("{\"__metadata__\":{\"format\":\"pt\"},\(tensor("a", "F99", "[7]", 0, 3))}", data: 3)) == "accepted")
    #expect(refusal(file("{\(tensor("a", "F4", "[3,2]", 0, 3))}", data: 3)) == "accepted")
  }

  @Test("lengths that lie")
  func lengths() {
    #expect(refusal([1, 2, 3]).contains("has 3 bytes"))
    #expect(refusal(file("{}", data: 0, length: 3)).contains("3 bytes are promised but only 2 follow"))
    #expect(refusal(file("{}", data: 0, length: 100_000_001)).contains("header length: 100000001 is above the limit"))
    #expect(refusal(file("{}", data: 0, length: .max)).contains("is above the limit"))
    #expect(refusal(file("[]", data: 0)).contains("header: must be a JSON object"))
    #expect(refusal(file("{\"a\"", data: 0)).contains("header: not valid JSON"))
  }

  @Test("tensors that overlap, leave gaps, reach outside, run backwards, or stand twice")
  func ranges() {
    #expect(refusal(file("{\(tensor("a", "[2]", 0, 8)),\(tensor("b", "[2]", 4, 12))}", data: 12)).contains("b: its bytes overlap"))
    #expect(
      refusal(file("{\(tensor("a", "[1]", 0, 4)),\(tensor("b", "[1]", 8, 12))}", data: 12)).contains(
        "b: 4 bytes before it belong to no tensor"))
    #expect(refusal(file("{\(tensor("a", "[1]", 0, 4))}", data: 5)).contains("1 bytes at the end belong to no tensor"))
    #expect(refusal(file("{\(tensor("a", "[2]", 0, 8))}", data: 4)).contains("a.data_offsets: [0, 8] is outside"))
    #expect(refusal(file("{\(tensor("a", "[2]", 8, 0))}", data: 8)).contains("a.data_offsets: [8, 0] is outside"))
    #expect(refusal(file("{\(tensor("a", "[2]", -8, 0))}", data: 8)).contains("is outside"))
    #expect(refusal(file("{\(tensor("a", "[2]", 0, Int.max))}", data: 8)).contains("is outside"))
    #expect(refusal(file("{\(tensor("a", "[1]", 0, 4)),\(tensor("a", "[1]", 0, 4))}", data: 4)).contains("the name 'a' appears twice"))
  }

  @Test("shapes that do not match their bytes or overflow 64 bits")
  func shapes() {
    #expect(refusal(file("{\(tensor("a", "[3]", 0, 8))}", data: 8)).contains("a.data_offsets: 8 bytes do not match shape [3] of F32"))
    #expect(refusal(file("{\(tensor("a", "[4294967296,4294967296]", 0, 0))}", data: 0)).contains("a.shape: has more elements than 64 bits"))
    // The count fits, its bits do not.
    #expect(refusal(file("{\(tensor("a", "[4611686018427387904]", 0, 0))}", data: 0)).contains("do not match"))
    #expect(refusal(file("{\(tensor("a", "[-1]", 0, 4))}", data: 4)).contains("a.shape: must hold whole numbers"))
    #expect(refusal(file("{\(tensor("a", "F4", "[3]", 0, 1))}", data: 1)).contains("do not match"))
    #expect(refusal(file("{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", data: 4)).contains("a.dtype: is missing"))
    #expect(
      refusal(file("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", data: 4)).contains("a.data_offsets: must be two"))
    #expect(refusal(file("{\"a\":7}", data: 0)).contains("a: must be an object"))
  }

  @Test("a needed tensor of another type, rank or shape is refused by name")
  func needed() throws {
    func refusal(_ dtype: DType, _ dimensions: [Int]) throws -> String {
      let folder = try SmallModels.folder()
      let items = SmallModels.config.tensorShapes.map { name, shape in
        let natural = TensorName.isNorm(name) ? [shape.columns] : [shape.rows, shape.columns]
        return name == TensorName.layer(1, .key)
          ? SafetensorsWriter.Item(name: name, dimensions: dimensions, dtype: dtype) : .init(name: name, dimensions: natural, dtype: .f32)
      }
      try SafetensorsWriter(path: folder.file("model.safetensors"), items: items, replacing: true).commit()
      return SmallModels.refusal(folder.path)
    }
    let name = "model.safetensors: model.layers.1.self_attn.k_proj.weight: "
    #expect(try refusal(.i32, [32, 64]).contains(name + "dtype I32 is not supported; F32, F16 and BF16 are"))
    #expect(try refusal(.f32, [32, 8, 8]).contains(name + "has 3 dimensions"))
    #expect(try refusal(.f32, [64, 32]).contains(name + "has shape [64, 32]; the config asks for [32, 64]"))
    #expect(try refusal(.f32, [2048]).contains(name + "has shape [2048]; the config asks for [32, 64]"))
    #expect(try refusal(.bf16, [32, 64]) == "opened without an error")
  }
}

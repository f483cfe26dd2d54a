/// A GGUF file taken apart by the format's description alone: a second opinion on what the writer wrote.
struct GGUFParts {
  enum Value: Equatable {
    case number(Double)
    case text(String)
    case list([Value])
  }

  struct Tensor {
    let dimensions: [Int]
    let type: Int
    let offset: Int
  }

  private(set) var version = 0
  private(set) var metadata: [String: Value] = [:]
  private(set) var tensors: [String: Tensor] = [:]
  /// In the file's order.
  private(set) var names: [String] = []
  let bytes: [UInt8]
  private(set) var dataStart = 0
  private var at = 4

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    precondition(bytes.starts(with: Array("GGUF".utf8)))
    version = whole(4)
    let (count, pairs) = (whole(8), whole(8))
    for _ in 0..<pairs {
      let key = text()
      metadata[key] = value(whole(4))
    }
    for _ in 0..<count {
      let name = text()
      let dimensions = (0..<whole(4)).map { _ in whole(8) }
      tensors[name] = Tensor(dimensions: dimensions, type: whole(4), offset: whole(8))
      names.append(name)
    }
    dataStart = (at + 31) / 32 * 32
  }

  private mutating func whole(_ size: Int) -> Int {
    defer { at += size }
    return (0..<size).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) }
  }

  private mutating func text() -> String {
    let length = whole(8)
    defer { at += length }
    return String(decoding: bytes[at..<at + length], as: UTF8.self)
  }

  private mutating func value(_ type: Int) -> Value {
    switch type {
    case 0, 7: return .number(Double(whole(1)))
    case 4: return .number(Double(whole(4)))
    case 5: return .number(Double(Int32(truncatingIfNeeded: whole(4))))
    case 6: return .number(Double(Float(bitPattern: UInt32(whole(4)))))
    case 8: return .text(text())
    case 9:
      let (element, count) = (whole(4), whole(8))
      return .list((0..<count).map { _ in value(element) })
    default: preconditionFailure("type \(type)")
    }
  }

  /// `count` bytes of a tensor from its byte `start` on.
  func slice(_ name: String, _ start: Int, _ count: Int) -> ArraySlice<UInt8> {
    let first = dataStart + tensors[name]!.offset + start
    return bytes[first..<first + count]
  }

  func floats(_ name: String) -> [Float] {
    let tensor = tensors[name]!
    precondition(tensor.type == 0)
    return (0..<tensor.dimensions.reduce(1, *)).map { index in
      Float(bitPattern: slice(name, 4 * index, 4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
    }
  }
}

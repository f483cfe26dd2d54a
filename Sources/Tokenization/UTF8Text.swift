import Glibc

typealias Bytes = UnsafeBufferPointer<UInt8>

/// Offset of the first byte that is not well-formed UTF-8 (The Unicode Standard, table 3-7), or nil.
func firstInvalidUTF8(in bytes: Bytes) -> Int? {
  let raw = UnsafeRawBufferPointer(bytes)
  let count = bytes.count
  var at = 0
  while at < count {
    if count - at >= 8, raw.loadUnaligned(fromByteOffset: at, as: UInt64.self) & 0x8080_8080_8080_8080 == 0 {
      at += 8
      continue
    }
    let lead = bytes[at]
    var length = 1
    var second: ClosedRange<UInt8> = 0x80...0xbf
    switch lead {
    case 0..<0x80: break
    case 0xc2...0xdf: length = 2
    case 0xe0: (length, second) = (3, 0xa0...0xbf)
    case 0xed: (length, second) = (3, 0x80...0x9f)
    case 0xe1...0xef: length = 3
    case 0xf0: (length, second) = (4, 0x90...0xbf)
    case 0xf1...0xf3: length = 4
    case 0xf4: (length, second) = (4, 0x80...0x8f)
    default: return at
    }
    if length > 1 {
      guard count - at >= length, second.contains(bytes[at + 1]) else { return at }
      for next in 2..<max(length, 2) where bytes[at + next] & 0xc0 != 0x80 { return at }
    }
    at += length
  }
  return nil
}

/// Bytes of the scalar that starts with `lead`, in well-formed UTF-8.
@inline(__always) func scalarLength(_ lead: UInt8) -> Int { lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4 }

/// The scalar at `at` of well-formed UTF-8, and where the next one starts.
func scalar(in bytes: Bytes, at: Int) -> (scalar: Unicode.Scalar, next: Int) {
  let length = scalarLength(bytes[at])
  var value = length == 1 ? UInt32(bytes[at]) : UInt32(bytes[at]) & (0x7f >> UInt32(length))
  for index in 1..<max(length, 1) { value = value << 6 | UInt32(bytes[at + index] & 0x3f) }
  return (Unicode.Scalar(value) ?? "\u{fffd}", at + length)
}

/// The scalar that ends just before `end`, and where it starts.
func scalar(in bytes: Bytes, before end: Int) -> (scalar: Unicode.Scalar, start: Int) {
  var start = end - 1
  while start > 0, bytes[start] & 0xc0 == 0x80 { start -= 1 }
  return (scalar(in: bytes, at: start).scalar, start)
}

extension Unicode.Scalar {
  /// General category N, as Rust's `char::is_numeric` has it.
  var isNumeric: Bool {
    switch properties.generalCategory {
    case .decimalNumber, .letterNumber, .otherNumber: true
    default: false
    }
  }

  /// `\w` of Unicode Technical Standard 18, annex C.
  var isWordCharacter: Bool {
    if properties.isAlphabetic || properties.isJoinControl { return true }
    return switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: true
    default: false
    }
  }
}

/// A hash of bytes for tables in memory. The seed is drawn per process, so that a file cannot be built to collide.
@inline(__always) func hashed(_ bytes: Bytes) -> UInt64 {
  let raw = UnsafeRawBufferPointer(bytes)
  let count = bytes.count
  var hash = hashSeed ^ UInt64(truncatingIfNeeded: count) &* 0x9e37_79b9_7f4a_7c15
  if count >= 8 {
    var at = 0
    while at < count - 8 {
      hash = mixed(hash ^ raw.loadUnaligned(fromByteOffset: at, as: UInt64.self))
      at += 8
    }
    return mixed(hash ^ raw.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self))
  }
  if count >= 4 {
    let low = UInt64(raw.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
    let high = UInt64(raw.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self))
    return mixed(hash ^ (low | high << 32))
  }
  if count > 0 {
    hash ^= UInt64(raw[0]) | UInt64(raw[count >> 1]) << 8 | UInt64(raw[count - 1]) << 16
  }
  return mixed(hash)
}

@inline(__always) func mixed(_ value: UInt64) -> UInt64 {
  let product = value.multipliedFullWidth(by: 0xa076_1d64_78bd_642f)
  return product.high ^ product.low
}

let hashSeed = UInt64.random(in: .min ... .max)

@inline(__always) func areEqual(_ a: Bytes, _ b: Bytes) -> Bool {
  a.count == b.count && (a.count == 0 || memcmp(a.baseAddress!, b.baseAddress!, a.count) == 0)
}

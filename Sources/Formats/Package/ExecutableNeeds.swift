import Glibc

/// What an ELF executable asks of the machine it is started on: shared libraries, and the newest version of glibc among its symbols.
public struct ExecutableNeeds: Sendable, Equatable {
  /// In the order of the file: "libc.so.6".
  public let libraries: [String]
  /// "2.34" as (2, 34); nil when nothing of glibc is versioned.
  public let glibc: Version?

  public struct Version: Sendable, Comparable, CustomStringConvertible {
    public let major: Int, minor: Int
    public init(_ major: Int, _ minor: Int) { (self.major, self.minor) = (major, minor) }
    public static func < (a: Version, b: Version) -> Bool { (a.major, a.minor) < (b.major, b.minor) }
    public var description: String { "\(major).\(minor)" }

    /// "GLIBC_2.34", "GLIBC_2.2.5"
    init?(symbol: String) {
      guard symbol.hasPrefix("GLIBC_") else { return nil }
      let parts = symbol.dropFirst(6).split(separator: ".").map { Int($0) }
      guard parts.count >= 2, let major = parts[0], let minor = parts[1] else { return nil }
      self.init(major, minor)
    }
  }

  /// Parts of glibc itself, which every Linux with it has.
  private static let ofGlibc: Set<String> = [
    "libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1",
  ]

  /// Libraries that a machine with glibc alone may lack.
  public var foreign: [String] { libraries.filter { !ExecutableNeeds.ofGlibc.contains($0) } }

  public init(path: String) throws(FormatError) {
    let file = try MappedFile(path: path)
    defer { withExtendedLifetime(file) {} }
    try self.init(Elf(file.bytes, path: path))
  }

  private init(_ elf: Elf) throws(FormatError) {
    let entries = try elf.dynamicEntries()
    func value(_ tag: UInt64) -> UInt64? { entries.first { $0.tag == tag }?.value }
    guard let strings = value(5) else { throw elf.wrong("has no table of dynamic strings") }  // DT_STRTAB
    let names = try elf.offset(ofAddress: strings)
    var libraries: [String] = []
    for entry in entries where entry.tag == 1 { libraries.append(try elf.text(at: names, entry.value)) }  // DT_NEEDED
    self.libraries = libraries
    var newest: Version?
    // DT_VERNEED and DT_VERNEEDNUM: files, and the versions wanted of each.
    if let needed = value(0x6fff_fffe), let count = value(0x6fff_ffff) {
      var file = try elf.offset(ofAddress: needed)
      for _ in 0..<min(count, 1024) {
        var version = file + Int(try elf.load(file + 8, UInt32.self))
        for _ in 0..<(try elf.load(file + 2, UInt16.self)) {
          let name = try elf.text(at: names, UInt64(elf.load(version + 8, UInt32.self)))
          if let found = Version(symbol: name) { newest = max(newest ?? found, found) }
          version += Int(try elf.load(version + 12, UInt32.self))
        }
        file += Int(try elf.load(file + 12, UInt32.self))
      }
    }
    glibc = newest
  }
}

/// A 64-bit little-endian ELF file; every offset in it is checked.
private struct Elf {
  private let bytes: UnsafeRawBufferPointer
  private let path: String
  private var segments: [(kind: UInt32, offset: Int, address: UInt64, fileBytes: UInt64)] = []

  init(_ bytes: UnsafeRawBufferPointer, path: String) throws(FormatError) {
    (self.bytes, self.path) = (bytes, path)
    guard bytes.starts(with: [0x7f, 0x45, 0x4c, 0x46, 2, 1]) else { throw wrong("is no 64-bit ELF program") }
    let table = Int(truncatingIfNeeded: try load(32, UInt64.self))
    let (size, count) = (Int(try load(54, UInt16.self)), Int(try load(56, UInt16.self)))
    for index in 0..<count {
      let entry = table &+ index * size
      segments.append(
        (
          try load(entry, UInt32.self), Int(truncatingIfNeeded: try load(entry &+ 8, UInt64.self)), try load(entry &+ 16, UInt64.self),
          try load(entry &+ 32, UInt64.self)
        ))
    }
  }

  func wrong(_ reason: String) -> FormatError { FormatError(path, nil, reason) }

  func load<Integer: FixedWidthInteger>(_ offset: Int, _: Integer.Type) throws(FormatError) -> Integer {
    guard offset >= 0, offset <= bytes.count - MemoryLayout<Integer>.size else { throw wrong("is a damaged program") }
    return Integer(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Integer.self))
  }

  func offset(ofAddress address: UInt64) throws(FormatError) -> Int {
    let segment = segments.first { $0.kind == 1 && $0.address <= address && address - $0.address < $0.fileBytes }  // PT_LOAD
    guard let segment else { throw wrong("is a damaged program") }
    return segment.offset &+ Int(address - segment.address)
  }

  func text(at table: Int, _ offset: UInt64) throws(FormatError) -> String {
    guard table >= 0, offset < UInt64(bytes.count), table &+ Int(offset) < bytes.count else { throw wrong("is a damaged program") }
    let start = table + Int(offset)
    guard let end = bytes[start..<min(start + 4096, bytes.count)].firstIndex(of: 0) else { throw wrong("is a damaged program") }
    return String(decoding: bytes[start..<end], as: UTF8.self)
  }

  func dynamicEntries() throws(FormatError) -> [(tag: UInt64, value: UInt64)] {
    guard let segment = segments.first(where: { $0.kind == 2 }) else { return [] }  // PT_DYNAMIC
    var entries: [(tag: UInt64, value: UInt64)] = []
    var place = segment.offset
    while entries.count < 1024 {
      let tag = try load(place, UInt64.self)
      if tag == 0 { break }
      entries.append((tag, try load(place &+ 8, UInt64.self)))
      place = place &+ 16
    }
    return entries
  }
}

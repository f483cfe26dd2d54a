import Glibc

/// A copy of the emulator's library with settings of its own: its device, its faults and its counters are nobody else's, so that tests run
/// beside each other (a fault stays with a device for ever). Calls check codes only where they say so.
final class Emulator: @unchecked Sendable {
  typealias Address = UInt64
  private let library: UnsafeMutableRawPointer
  private let path: String
  private(set) var module: UnsafeMutableRawPointer?

  /// The library as the build leaves it beside the test bundle.
  static let builtPath: String? = {
    var buffer = [CChar](repeating: 0, count: 4096)
    let length = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    let executable = String(decoding: buffer[..<max(0, length)].map(UInt8.init(bitPattern:)), as: UTF8.self)
    return ([executable] + CommandLine.arguments).lazy
      .map { String($0.prefix(through: $0.lastIndex(of: "/") ?? $0.startIndex)) + "libCUDAEmulator.so" }
      .first { access($0, R_OK) == 0 }
  }()

  /// Opens a copy with these settings; with `start`, up to a current context and a module of all kernels of the tests.
  init(_ settings: [String: String] = [:], start: Bool = true) throws {
    guard let source = Self.builtPath else { throw Failure("libCUDAEmulator.so is not beside the tests") }
    var template = Array("/tmp/hoof-emulator-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Failure("no temporary folder") }
    path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    let copy = path + "/libCUDAEmulator.so"
    try Self.write(Self.read(source), to: copy)
    try Self.write(Array(settings.map { "\($0)=\($1)\n" }.joined().utf8), to: copy + ".env")
    guard let opened = dlopen(copy, RTLD_NOW | RTLD_LOCAL) else { throw Failure(String(cString: dlerror())) }
    library = opened
    guard start else { return }
    guard initialize() == 0, setContext() == 0 else { throw Failure("the emulator does not start") }
    guard loadModule(Self.image()) == 0 else { throw Failure("the emulator takes no module") }
  }

  deinit {
    // The library stays open: its threads may sleep in it.
    unlink(path + "/libCUDAEmulator.so")
    unlink(path + "/libCUDAEmulator.so.env")
    rmdir(path)
  }

  struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
  }

  /// PTX as far as the emulator reads it.
  static func image(version: String = "8.1", target: String = "sm_80", entries: [String] = kernels, bound: String = "") -> String {
    ".version \(version)\n.target \(target)\n" + entries.map { ".visible .entry \($0)(\n)\n\(bound)\n{\n}\n" }.joined()
  }
  static let kernels =
    [
      "store", "load", "load_vector", "missing_barrier", "right_barrier", "missing_second_barrier", "same_word", "missing_warp_barrier",
      "right_warp_barrier", "shared_index", "dynamic_shared", "divergent_shuffle", "divergent_kinds", "right_halves", "divergent_barriers",
      "arrival_deadlock", "right_pipeline", "early_release", "copy_without_wait", "right_copy", "order", "parameters", "mma_bf16",
      "mma_transposed", "mma_tf32", "wgmma_64", "wgmma_128", "wgmma_256", "wgmma_unawaited", "halves", "round", "collectives",
    ].map { "emulator_" + $0 }

  // MARK: Entry points

  func symbol<F>(_ name: String, as type: F.Type) -> F {
    guard let found = dlsym(library, name) else { fatalError("\(name) is not exported") }
    return unsafeBitCast(found, to: type)
  }
  /// Entry points by the shapes of their parameters.
  func call(_ name: String, _ a: UInt64 = 0, _ b: UInt64 = 0, _ c: UInt64 = 0, _ d: UInt64 = 0, _ e: UInt64 = 0) -> Int32 {
    typealias F = @convention(c) (UInt64, UInt64, UInt64, UInt64, UInt64) -> Int32
    return symbol(name, as: F.self)(a, b, c, d, e)
  }
  func call<T>(_ name: String, out: inout T, _ b: UInt64 = 0, _ c: UInt64 = 0) -> Int32 {
    withUnsafeMutablePointer(to: &out) { call(name, UInt64(UInt(bitPattern: $0)), b, c) }
  }

  func initialize() -> Int32 { call("cuInit") }
  func setContext() -> Int32 {
    var context: UInt64 = 0
    let code = call("cuDevicePrimaryCtxRetain", out: &context)
    return code == 0 ? call("cuCtxSetCurrent", context) : code
  }
  func loadModule(_ image: String) -> Int32 {
    image.withCString { call("cuModuleLoadDataEx", out: &module, UInt64(UInt(bitPattern: $0))) }
  }
  func function(_ name: String) -> UInt64? {
    var handle: UInt64 = 0
    let code = name.withCString {
      call("cuModuleGetFunction", out: &handle, UInt64(UInt(bitPattern: module)), UInt64(UInt(bitPattern: $0)))
    }
    return code == 0 ? handle : nil
  }
  func allocate(_ bytes: Int) throws -> Address {
    var address: UInt64 = 0
    let code = call("cuMemAlloc_v2", out: &address, UInt64(bytes))
    guard code == 0 else { throw Failure("cuMemAlloc_v2: \(code)") }
    return address
  }
  func upload<T>(_ values: [T]) throws -> Address {
    let address = try allocate(values.count * MemoryLayout<T>.stride)
    _ = values.withUnsafeBytes { call("cuMemcpyHtoDAsync_v2", address, UInt64(UInt(bitPattern: $0.baseAddress)), UInt64($0.count)) }
    return address
  }
  func download<T>(_ address: Address, count: Int, of empty: T) -> [T] {
    var values = [T](repeating: empty, count: count)
    _ = values.withUnsafeMutableBytes { call("cuMemcpyDtoHAsync_v2", UInt64(UInt(bitPattern: $0.baseAddress)), address, UInt64($0.count)) }
    return values
  }
  func createStream() -> UInt64 {
    var stream: UInt64 = 0
    _ = call("cuStreamCreate", out: &stream, 1)
    return stream
  }
  func createEvent() -> UInt64 {
    var event: UInt64 = 0
    _ = call("cuEventCreate", out: &event, 0)
    return event
  }
  func synchronize(_ stream: UInt64 = 0) -> Int32 { call("cuStreamSynchronize", stream) }

  /// Launches on a stream (the default one runs at once), parameters in the packed form: each at a multiple of its size, at most 64.
  func launch(
    _ name: String, grid: (Int, Int) = (1, 1), threads: Int = 32, shared: Int = 0, stream: UInt64 = 0, _ parameters: [any BitwiseCopyable]
  ) -> Int32 {
    guard let handle = function("emulator_" + name) else { return 500 }
    var bytes: [UInt8] = []
    func append<T: BitwiseCopyable>(_ value: T) {
      let size = MemoryLayout<T>.size, alignment = min(size, 64)
      while bytes.count % alignment != 0 { bytes.append(0xee) }
      withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }
    for parameter in parameters { append(parameter) }
    typealias F =
      @convention(c) (
        UInt64, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt64, UnsafeRawPointer?, UnsafePointer<UInt>?
      ) -> Int32
    let launch = symbol("cuLaunchKernel", as: F.self)
    var size = bytes.count
    return bytes.withUnsafeBytes { buffer in
      withUnsafePointer(to: &size) { size in
        let extra: [UInt] = [1, UInt(bitPattern: buffer.baseAddress), 2, UInt(bitPattern: size), 0]
        return launch(handle, UInt32(grid.0), UInt32(grid.1), 1, UInt32(threads), 1, 1, UInt32(shared), stream, nil, extra)
      }
    }
  }

  // MARK: Files

  private static func read(_ path: String) throws -> [UInt8] {
    let file = open(path, O_RDONLY)
    guard file >= 0 else { throw Failure("\(path) cannot be read") }
    defer { close(file) }
    let size = Int(lseek(file, 0, SEEK_END))
    var bytes = [UInt8](repeating: 0, count: size)
    guard pread(file, &bytes, size, 0) == size else { throw Failure("\(path) cannot be read") }
    return bytes
  }
  private static func write(_ bytes: [UInt8], to path: String) throws {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o700)
    guard file >= 0 else { throw Failure("\(path) cannot be written") }
    defer { close(file) }
    guard Glibc.write(file, bytes, bytes.count) == bytes.count else { throw Failure("\(path) cannot be written") }
  }
}

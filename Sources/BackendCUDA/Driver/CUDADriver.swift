import CKernels
import Glibc
import TensorCore

/// NVIDIA's driver library, opened at run time so that nothing of CUDA is needed to build or start. Every call goes through `check`.
final class CUDADriver: Sendable {
  /// Every entry point, filled once.
  let call: hoof_cuda_calls
  /// CUDA version the driver implements: 12040 is 12.4.
  let version: Int

  static let library = "libcuda.so.1"
  /// The kernels are PTX ISA 8.1, which drivers understand from CUDA 12.1 on.
  static let neededVersion = 12010

  /// Opens the library at `path`, or the one HOOF_CUDA_DRIVER names, or the system's.
  convenience init(path: String? = nil) throws(BackendError) {
    let path = path ?? getenv("HOOF_CUDA_DRIVER").map { String(cString: $0) } ?? CUDADriver.library
    guard let library = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
      let reason = path == CUDADriver.library ? "no NVIDIA driver is installed here" : String(cString: dlerror())
      throw .unavailable(reason: "\(path) cannot be opened: \(reason)")
    }
    // Never closed: the driver leaves threads and exit handlers behind.
    try self.init(try CUDADriver.load(from: library, path: path))
  }

  init(_ calls: hoof_cuda_calls) throws(BackendError) {
    call = calls
    var version: Int32 = 0
    let started = calls.cuInit(0)
    guard started != HOOF_CUDA_ERROR_NO_DEVICE else { throw .unavailable(reason: "the NVIDIA driver sees no GPU") }
    guard started == HOOF_CUDA_SUCCESS, calls.cuDriverGetVersion(&version) == HOOF_CUDA_SUCCESS else {
      throw .unavailable(reason: "the NVIDIA driver does not start: \(CUDADriver.text(started, calls))")
    }
    self.version = Int(version)
    guard self.version >= CUDADriver.neededVersion else {
      throw .unavailable(
        reason: "\(CUDADriver.releaseText(self.version)) is too old: the kernels need CUDA 12.1, driver 530 or newer")
    }
  }

  /// Throws what a failed call means, with the call's name.
  func check(_ code: hoof_cu_result, _ name: @autoclosure () -> String) throws(BackendError) {
    guard code != HOOF_CUDA_SUCCESS else { return }
    throw error(code, name())
  }

  func error(_ code: hoof_cu_result, _ name: String) -> BackendError {
    .device(code: Int32(bitPattern: code), call: "\(name) (\(CUDADriver.text(code, call)))")
  }

  /// "12.4"
  var versionText: String { CUDADriver.versionText(version) }

  private static func versionText(_ version: Int) -> String { "\(version / 1000).\(version % 1000 / 10)" }

  /// "CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected"
  private static func text(_ code: hoof_cu_result, _ calls: hoof_cuda_calls) -> String {
    func asked(_ call: (hoof_cu_result, UnsafeMutablePointer<UnsafePointer<CChar>?>?) -> hoof_cu_result) -> String? {
      var text: UnsafePointer<CChar>?
      guard call(code, &text) == HOOF_CUDA_SUCCESS else { return nil }
      return text.map { String(cString: $0) }
    }
    let parts = [asked(calls.cuGetErrorName), asked(calls.cuGetErrorString)].compactMap { $0 }
    return parts.isEmpty ? "code \(code)" : parts.joined(separator: ": ")
  }

  /// The first driver branch of each CUDA version, since that number is what people see in nvidia-smi.
  private static func releaseText(_ version: Int) -> String {
    let branches = [
      12000: 525, 11080: 520, 11070: 515, 11060: 510, 11050: 495, 11040: 470, 11030: 465, 11020: 460, 11010: 455, 11000: 450,
    ]
    guard let branch = branches[version] else { return "the NVIDIA driver (CUDA \(versionText(version)))" }
    return "driver \(branch) (CUDA \(versionText(version)))"
  }

  private static func load(from library: UnsafeMutableRawPointer, path: String) throws(BackendError) -> hoof_cuda_calls {
    var calls = hoof_cuda_calls()
    let missing = fillTable(&calls, from: library, names: hoof_cuda_call_name, required: hoof_cuda_required_calls())
    if let missing { throw .unavailable(reason: "\(path) has no \(missing): it is no NVIDIA driver, or one too old for CUDA 12.1") }
    return calls
  }
}

/// Fills a table of function pointers from a library; returns the first required name that is absent.
func fillTable<Table>(
  _ table: inout Table, from library: UnsafeMutableRawPointer, names: (Int) -> UnsafePointer<CChar>?, required: Int = .max
) -> String? {
  withUnsafeMutableBytes(of: &table) { bytes in
    var index = 0
    while let name = names(index) {
      let entry = dlsym(library, name)
      if entry == nil, index < required { return String(cString: name) }
      bytes.storeBytes(of: UInt(bitPattern: entry), toByteOffset: index * MemoryLayout<UInt>.size, as: UInt.self)
      index += 1
    }
    return nil
  }
}

extension hoof_cu_result {
  /// Constants of the header are `Int`.
  static func == (code: hoof_cu_result, constant: Int) -> Bool { Int(code) == constant }
  static func != (code: hoof_cu_result, constant: Int) -> Bool { Int(code) != constant }
}

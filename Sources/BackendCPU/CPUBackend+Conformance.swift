import CKernels
import Glibc
import TensorCore

extension CPUBackend: ComputeBackend {
  public var name: String {
    let rounding = precision == .f32 ? "" : ", \(precision.rawValue)"
    return "cpu (\(String(cString: hoof_simd_name(simd))), \(threads) thread\(threads == 1 ? "" : "s")\(rounding))"
  }
}

extension CPUBackend {
  static var processorCount: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
}

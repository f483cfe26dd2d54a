import TensorCore

extension CUDABackend {
  public var details: [(name: String, value: String)] {
    [
      ("compute capability", "\(device.capability / 10).\(device.capability % 10)"),
      ("multiprocessors", "\(device.multiprocessors)"),
      ("driver", "CUDA \(queue.driver.versionText)"),
      ("kernel images", device.isHopper ? "PTX compute_80 and compute_90a" : "PTX compute_80"),
      ("precision", precision.rawValue),
      ("cuBLAS", vendorText),
    ]
  }

  private var vendorText: String {
    switch vendor.availability {
    case .ready(let blas): "\(blas.version), \(vendor.mode == .on ? "wherever it can" : "where faster")"
    case .absent(let reason): "not used: \(reason)"
    }
  }
}

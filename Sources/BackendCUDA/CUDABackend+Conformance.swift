import TensorCore

extension CUDABackend {
  /// The first that all kernel groups are in: `extension CUDABackend: ComputeBackend`, and this returns what it opened.
  public static func open(_ options: BackendRegistry.Options) throws(BackendError) -> any ComputeBackend {
    let backend = try CUDABackend(options)
    throw .unavailable(reason: "\(backend.name) opens, but this version of hoof has no CUDA kernels yet")
  }
}

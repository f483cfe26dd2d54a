import TensorCore

extension CUDABackend: ComputeBackend {
  /// What the registry calls.
  public static func open(_ options: BackendRegistry.Options) throws(BackendError) -> any ComputeBackend { try CUDABackend(options) }

  public var activations: DType { precision == .bf16 ? .bf16 : .f32 }

  /// Enough rows for some waves of tiles over every multiprocessor in each product of a layer; more only take memory.
  public var usefulRows: Int? { 256 * device.multiprocessors }
}

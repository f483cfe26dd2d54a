import COpenBLAS

extension CPUBackend {
  /// OpenBLAS's name for the processor whose kernels it chose: "Zen", "SkylakeX".
  public var blasKernel: String { String(cString: openblas_get_corename()) }
}

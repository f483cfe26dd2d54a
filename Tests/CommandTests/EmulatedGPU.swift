import JSON
import TestSupport

/// `hoof` with the CUDA emulator in the place of the NVIDIA driver.
struct EmulatedGPU {
  let library: EmulatorLibrary

  /// The emulator's settings: Sources/CUDAEmulator/runtime/settings.h.
  init(_ settings: [String: String] = [:]) throws { library = try EmulatorLibrary(settings) }

  func hoof(_ words: [String], input: String = "", environment: [String: String] = [:]) -> Subprocess {
    let own = ["HOOF_CUDA_DRIVER": library.path]
    return Subprocess.hoof(words, input: input, environment: own.merging(environment) { $1 })
  }
}

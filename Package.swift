// swift-tools-version: 6.2
import PackageDescription

/// C targets keep -O3 in debug builds too: numeric tests would take minutes otherwise.
let kernels: [CSetting] = [.unsafeFlags(["-O3"])]

/// The naive reference backend is optimised in debug builds as well, for the same reason.
let optimized: [SwiftSetting] = [.unsafeFlags(["-O"], .when(configuration: .debug))]

/// The CUDA emulator's tensor cores use what its tests' machines have; it refuses to start on others.
#if arch(x86_64)
  let vectors = ["-mavx2", "-mfma", "-mf16c", "-mtls-dialect=gnu2"]
#else
  let vectors: [String] = []
#endif
let emulator: [CXXSetting] = [
  .headerSearchPath("../CKernels/cuda"), .unsafeFlags(["-O3", "-g1", "-fvisibility=hidden"] + vectors),
]
/// Kernels on the CPU: the thread sanitizer's calls before every access, which the emulator answers (none of the sanitizer's own code is
/// linked), and no vectors wider than those calls know.
let emulatedKernels: [CXXSetting] = [
  .headerSearchPath(".."), .headerSearchPath("../../CKernels/cuda"),
  .unsafeFlags(
    ["-O2", "-g1", "-fvisibility=hidden", "-fsanitize=thread", "-fno-vectorize", "-fno-slp-vectorize", "-fno-exceptions"] + vectors
      + ["instrument-func-entry-exit", "instrument-atomics", "handle-cxx-exceptions"].flatMap { ["-mllvm", "-tsan-\($0)=0"] }),
]

let package = Package(
  name: "hoof",
  products: [
    .executable(name: "hoof", targets: ["hoof"]),
    // Stands in for the CUDA driver in tests, which open it at run time; nothing depends on it.
    .library(name: "CUDAEmulator", type: .dynamic, targets: ["CUDAEmulator", "EmulatedKernels"]),
  ],
  targets: [
    // C
    .target(name: "CKernels", cSettings: kernels, linkerSettings: [.linkedLibrary("m")]),
    .systemLibrary(name: "COpenBLAS", providers: [.apt(["libopenblas-dev"])]),
    .target(
      name: "CLAPACK", publicHeadersPath: ".",
      linkerSettings: [.linkedLibrary(":libopenblas.a"), .linkedLibrary("pthread"), .linkedLibrary("m")]),
    .systemLibrary(name: "CPCRE2", providers: [.apt(["libpcre2-dev"])]),
    // The chat page
    .target(name: "CServing"),
    .target(
      name: "CEvent",
      linkerSettings: [
        .linkedLibrary(":libevent_extra.a"), .linkedLibrary(":libevent_pthreads.a"), .linkedLibrary(":libevent_core.a"),
        .linkedLibrary("pthread"),
      ]),

    // The tensor core and its backends
    .target(name: "TensorCore"),
    .target(
      name: "BackendCPU", dependencies: ["TensorCore", "CKernels", "COpenBLAS"],
      linkerSettings: [.linkedLibrary(":libopenblas.a"), .linkedLibrary("pthread"), .linkedLibrary("m")]),
    .target(name: "BackendCUDA", dependencies: ["TensorCore", "CKernels"]),
    .target(name: "TensorTesting", dependencies: ["TensorCore", "CKernels", "JSON"], swiftSettings: optimized),

    // The CUDA kernels on the CPU
    .target(
      name: "CUDAEmulator", exclude: ["kernels"], publicHeadersPath: ".", cxxSettings: emulator, linkerSettings: [.linkedLibrary("pthread")]
    ),
    .target(
      name: "EmulatedKernels", dependencies: ["CUDAEmulator"], path: "Sources/CUDAEmulator/kernels",
      exclude: ["arithmetic.cu", "faults.cu"],
      publicHeadersPath: ".",
      cxxSettings: emulatedKernels),

    // "Did you mean …?", for whatever reads what people type
    .target(name: "Spelling"),

    // Models and what is done to them; none of these may import a backend
    .target(name: "JSON"),
    .target(name: "Pages"),
    .target(name: "LinearAlgebra", dependencies: ["CLAPACK", "COpenBLAS"]),
    .target(name: "Formats", dependencies: ["TensorCore", "CKernels", "JSON"]),
    .target(
      name: "Tokenization", dependencies: ["JSON", "CPCRE2"],
      linkerSettings: [.linkedLibrary(":libpcre2-8.a")]),
    .target(name: "Transformer", dependencies: ["TensorCore", "Formats"]),
    .target(name: "Generation", dependencies: ["Transformer", "Tokenization", "TensorCore", "Formats", "JSON"]),
    .target(
      name: "Evaluation", dependencies: ["Transformer", "Tokenization", "Formats", "JSON", "CPCRE2"],
      linkerSettings: [.linkedLibrary(":libpcre2-8.a")]),
    .target(name: "Training", dependencies: ["Transformer", "Generation", "Evaluation", "Tokenization", "TensorCore", "Formats", "JSON"]),
    .target(name: "Surgery", dependencies: ["Transformer", "Evaluation", "Training", "JSON", "Formats", "LinearAlgebra", "Pages"]),

    // Benchmarks as lm-evaluation-harness scores them; CTasks is their definitions
    .target(name: "CTasks"),
    .target(
      name: "Tasks",
      dependencies: [
        "Generation", "Evaluation", "Transformer", "Tokenization", "TensorCore", "Formats", "JSON", "Pages", "Spelling", "CTasks",
      ]),

    // Models for programs and people over HTTP
    .target(
      name: "Serving", dependencies: ["Generation", "Tokenization", "Formats", "JSON", "CEvent", "CServing"]),

    // Mutation tests of the parsers; a target, not a product
    .target(name: "Fuzzing", dependencies: ["Formats", "JSON", "Tokenization", "Generation", "Evaluation", "Surgery", "Tasks"]),
    .executableTarget(name: "hoof-fuzz", dependencies: ["Fuzzing"]),

    // The command line: the only product module that imports a backend
    .target(name: "Terminal", dependencies: ["Spelling"]),
    .executableTarget(
      name: "hoof",
      dependencies: [
        "Terminal", "Spelling", "Surgery", "Training", "Serving", "Tasks", "Generation", "Evaluation", "Tokenization", "Formats",
        "BackendCPU", "BackendCUDA", "COpenBLAS", "TensorTesting",
      ]),

    .testTarget(name: "TensorCoreTests", dependencies: ["TensorCore", "JSON", "TensorTesting"]),
    .testTarget(name: "BackendTests", dependencies: ["TensorTesting", "BackendCPU", "BackendCUDA", "CKernels", "JSON", "TestSupport"]),
    .testTarget(name: "CUDAEmulatorTests", dependencies: ["TestSupport"]),
    .testTarget(name: "CUDATests", dependencies: ["BackendCUDA", "CKernels", "TensorCore", "TensorTesting", "TestSupport"]),
    .testTarget(
      name: "FormatsTests",
      dependencies: ["Formats", "Fuzzing", "CKernels", "TensorTesting", "BackendCPU", "Tokenization", "Transformer", "TestSupport"]),
    .testTarget(name: "LinearAlgebraTests", dependencies: ["LinearAlgebra", "TensorTesting"]),
    .testTarget(name: "TokenizationTests", dependencies: ["Tokenization", "TensorTesting", "TestSupport"]),
    .testTarget(
      name: "GenerationTests",
      dependencies: ["Generation", "Transformer", "Tokenization", "Formats", "JSON", "TensorTesting", "BackendCPU", "TestSupport"]),
    .testTarget(
      name: "SurgeryTests", dependencies: ["Surgery", "Pages", "JSON", "Evaluation", "TensorTesting", "BackendCPU", "TestSupport"]),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "Training", "Generation", "Evaluation", "Tokenization", "Formats", "JSON", "TensorTesting", "BackendCPU", "BackendCUDA",
        "TestSupport",
      ]),
    .testTarget(name: "ServingTests", dependencies: ["Serving", "Generation", "JSON", "TestSupport"]),
    /// Where tests find the reference models and numbers, and what they say when those are absent.
    .target(name: "TestSupport", dependencies: ["JSON"], path: "Tests/TestSupport"),
    .testTarget(
      name: "EvaluationTests", dependencies: ["Evaluation", "Formats", "Tokenization", "JSON", "BackendCPU", "TestSupport"]),
    .testTarget(
      name: "TasksTests",
      dependencies: ["Tasks", "Evaluation", "Transformer", "Tokenization", "Formats", "JSON", "TensorTesting", "BackendCPU", "TestSupport"]),
    .testTarget(
      name: "CommandTests",
      dependencies: ["hoof", "Terminal", "Spelling", "JSON", "Generation", "Evaluation", "Surgery", "Formats", "BackendCPU", "TestSupport"]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c2x,
  cxxLanguageStandard: .cxx17
)

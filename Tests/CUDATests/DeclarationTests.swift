import CKernels
import Glibc
import TestSupport
import Testing

/// Compares hoof_cuda.h and hoof_cublas.h with NVIDIA's headers, by a C compiler: a wrong declaration would crash on machines with a GPU only.
@Suite struct DeclarationTests {
  @Test(
    "every driver call, constant and size is as in cuda.h",
    .enabled(if: Headers.compiler != nil && Headers.folder("cuda.h") != nil, Headers.absent))
  func driver() throws {
    try compile(
      including: ["cuda.h"],
      """
      #define CALL(name, ...) _Static_assert(__builtin_types_compatible_p(hoof_type_##name, __typeof__(name)), #name);
      HOOF_CUDA_CALLS(CALL) HOOF_CUDA_OPTIONAL_CALLS(CALL)
      #define CONSTANT(name, value) _Static_assert(HOOF_##name == name, #name);
      HOOF_CUDA_CONSTANTS(CONSTANT)
      _Static_assert(sizeof(CUtensorMap) == HOOF_CU_TENSOR_MAP_BYTES, "bytes of a tensor map");
      _Static_assert(_Alignof(CUtensorMap) == HOOF_CU_TENSOR_MAP_ALIGNMENT, "alignment of a tensor map");
      _Static_assert((long)CU_LAUNCH_PARAM_END == HOOF_CU_LAUNCH_PARAM_END, "end of the launch parameters");
      _Static_assert((long)CU_LAUNCH_PARAM_BUFFER_POINTER == HOOF_CU_LAUNCH_PARAM_BUFFER_POINTER, "pointer of the launch parameters");
      _Static_assert((long)CU_LAUNCH_PARAM_BUFFER_SIZE == HOOF_CU_LAUNCH_PARAM_BUFFER_SIZE, "size of the launch parameters");
      _Static_assert(sizeof(CUdeviceptr) == 8 && sizeof(CUdevice) == 4 && sizeof(CUresult) == 4, "sizes");
      """)
  }

  @Test(
    "the element types of cuBLAS are as in library_types.h",
    .enabled(if: Headers.compiler != nil && Headers.folder("library_types.h") != nil, Headers.absent))
  func types() throws {
    try compile(
      including: ["library_types.h"],
      "_Static_assert(HOOF_CUDA_R_32F == CUDA_R_32F && HOOF_CUDA_R_16BF == CUDA_R_16BF, \"element types\");")
  }

  @Test(
    "every cuBLAS call and constant is as in cublas_v2.h",
    .enabled(if: Headers.compiler != nil && Headers.folder("cublas_v2.h") != nil, Headers.absent))
  func blas() throws {
    try compile(
      including: ["cuda.h", "cublas_v2.h"],
      """
      #define CALL(name, ...) \
        _Static_assert(__builtin_types_compatible_p(__typeof__(*((struct hoof_cublas_calls *)0)->name), __typeof__(name)), #name);
      HOOF_CUBLAS_CALLS(CALL)
      #define CONSTANT(name, value) _Static_assert(HOOF_##name == name, #name);
      HOOF_CUBLAS_CONSTANTS(CONSTANT)
      """)
  }

  @Test("the names of the entry points are in the table's order")
  func names() {
    #expect(String(cString: hoof_cuda_call_name(0)) == "cuInit" && hoof_cuda_call_name(1000) == nil)
    let count = MemoryLayout<hoof_cuda_calls>.size / MemoryLayout<UInt>.size
    #expect(hoof_cuda_call_name(count - 1).map { String(cString: $0) } == "cuTensorMapEncodeTiled" && hoof_cuda_call_name(count) == nil)
    #expect(hoof_cuda_required_calls() == count - 2)
  }

  private func compile(including headers: [String], _ text: String) throws {
    let folder = try TemporaryFolder()
    // Ours first: cuda.h renames some of its functions by macros.
    let includes = (["hoof_cublas.h"] + headers).map { "#include \"\($0)\"" }.joined(separator: "\n")
    let source = try folder.write("check.c", includes + "\n" + text + "\n")
    let folders = Set(headers.compactMap { Headers.folder($0) } + [SharedData.packageRoot + "/Sources/CKernels/include"])
    let words = ["-std=c2x", "-fsyntax-only"] + folders.sorted().flatMap { ["-isystem", $0] } + [source]
    let errors = folder.file("errors")
    let status = Headers.run(try #require(Headers.compiler), words, errors: errors)
    let messages = try TestFiles.text(errors)
    #expect(status == 0, "\(messages)")
  }
}

/// Where NVIDIA's headers and a C compiler are.
enum Headers {
  static let absent: Comment = "NVIDIA's header is absent (HOOF_CUDA_INCLUDE names its folder), or clang is"

  static func folder(_ header: String) -> String? { folders.first { access($0 + "/" + header, R_OK) == 0 } }

  /// clang, for it takes an enum and its integer for compatible, wherever the toolchain has put it.
  static let compiler: String? = {
    let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin"
    return path.split(separator: ":").map { $0 + "/clang" }.first { access($0, X_OK) == 0 }
  }()

  private static let folders: [String] = {
    let wheels = ["cuda_runtime", "cublas", "cu13"].map { "nvidia/\($0)/include" }
    var folders = ["/usr/include", "/usr/local/cuda/include"] + wheels.map { SharedData.packageRoot + "/.build/cuda/" + $0 }
    if let given = getenv("HOOF_CUDA_INCLUDE") { folders = String(cString: given).split(separator: ":").map(String.init) + folders }
    for base in ["/usr/lib", "/usr/local/lib"] {
      for python in TestFiles.names(in: base) where python.hasPrefix("python3") {
        for packages in ["site-packages", "dist-packages"] { folders += wheels.map { "\(base)/\(python)/\(packages)/\($0)" } }
      }
    }
    return folders
  }()

  static func run(_ program: String, _ words: [String], errors: String) -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    var arguments = ([program] + words).map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var process = pid_t()
    guard posix_spawn(&process, program, &actions, nil, &arguments, environ) == 0 else { return -1 }
    var state: Int32 = 0
    while waitpid(process, &state, 0) < 0, errno == EINTR {}
    return state & 0x7f == 0 ? state >> 8 & 0xff : 128 + state & 0x7f
  }
}

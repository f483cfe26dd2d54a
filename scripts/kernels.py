#!/usr/bin/env python3
"""Kernel images: Sources/CKernels/cuda/NAME.cu → Sources/CKernels/cuda/ptx/NAME.ptx, and the C file that embeds them all.

  kernels.sh [NAME...]             compiles what has changed (with names: those); writes the list of images
  kernels.sh --check               compares the hash in each image with the sources beside it; needs no tools
  kernels.sh --compare [NAME...]   compiles again and compares byte for byte; writes nothing
  kernels.sh --report [NAME...]    registers, spills and shared memory of each kernel by ptxas, as a markdown table

The compiler is NVRTC 12.1 (PTX ISA 8.1: drivers from 530 on take it) out of a PyPI wheel, kept in .build/cuda, or the library HOOF_NVRTC
names. ptxas likewise, or HOOF_PTXAS. The first line of an image names its source, target, compiler and the SHA-256 over the .cu file and
then every header it includes, in order of name, each as "name\\n" and its bytes.
"""
import ctypes
import hashlib
import os
import re
import subprocess
import sys
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCES = os.path.join(ROOT, "Sources/CKernels/cuda")
IMAGES = os.path.join(SOURCES, "ptx")
LIST = os.path.join(ROOT, "Sources/CKernels/cuda_images.c")
CACHE = os.path.join(ROOT, ".build/cuda")
NVRTC_VERSION = "12.1"
WHEELS = {
    "nvrtc": ("nvidia-cuda-nvrtc-cu12==12.1.105", "339b385f50c309763ca65456ec75e17bbefcbbf2893f462cb8b90584cd27a1c2", "nvidia/cuda_nvrtc/lib/libnvrtc.so.12"),
    "ptxas": ("nvidia-cuda-nvcc-cu12==12.9.86", "5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0", "nvidia/cuda_nvcc/bin/ptxas"),
}
REPORTED = {"compute_80": ["sm_80", "sm_90"], "compute_90a": ["sm_90a"]}


# Exit status when the compiler cannot be had: nothing is known to be wrong.
NO_TOOL = 3


def fail(message, status=1):
    print(f"kernels.sh: {message}", file=sys.stderr)
    raise SystemExit(status)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def all_names():
    return sorted(file[:-3] for file in os.listdir(SOURCES) if file.endswith(".cu"))


def image_path(name):
    return os.path.join(IMAGES, name + ".ptx")


def target(name):
    return "compute_90a" if name.endswith("_sm90a") else "compute_80"


def included(file, found):
    """Headers of this folder that `file` includes, directly or not; what lies elsewhere is the emulator's."""
    for header in re.findall(r'^\s*#\s*include\s+"([^"]+)"', read(os.path.join(SOURCES, file)).decode(), re.M):
        if header not in found and os.path.exists(os.path.join(SOURCES, header)):
            found.add(header)
            included(header, found)
    return found


def first_line(name):
    files = [name + ".cu"] + sorted(included(name + ".cu", set()))
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.encode() + b"\n" + read(os.path.join(SOURCES, file)))
    return f"// {name}.cu, {target(name)}, NVRTC {NVRTC_VERSION}, sha256 {digest.hexdigest()} of {' '.join(files)}\n"


def is_current(name):
    return os.path.exists(image_path(name)) and read(image_path(name)).startswith(first_line(name).encode())


def image_list():
    """The C file that embeds every image."""
    names = [name for name in all_names()]
    lines = [
        "// The kernels' PTX inside the program. Written by scripts/kernels.sh: a line for each file of cuda/ptx.",
        '#include "hoof_cuda_images.h"',
        "",
        "#include <string.h>",
        "",
        '#pragma clang diagnostic ignored "-Wc23-extensions"',
        "",
    ]
    for name in names:
        lines += [f"static const char {name}_ptx[] = {{", f'#embed "cuda/ptx/{name}.ptx"', "    , 0};"]
    lines += ["", "static const struct {", "  const char *name, *ptx;", "} images[] = {"]
    lines += [f'    {{"{name}", {name}_ptx}},' for name in names]
    lines += [
        "    {0, 0},",
        "};",
        "",
        "const char *hoof_cuda_image(const char *name) {",
        "  for (const typeof(*images) *image = images; image->name; image++)",
        "    if (!strcmp(image->name, name)) return image->ptx;",
        "  return 0;",
        "}",
        "",
    ]
    return "\n".join(lines).encode()


def tool(kind):
    """Path of NVRTC or ptxas: from the environment, or from the wheel, fetched once."""
    given = os.environ.get({"nvrtc": "HOOF_NVRTC", "ptxas": "HOOF_PTXAS"}[kind])
    if given:
        return given
    requirement, digest, member = WHEELS[kind]
    path = os.path.join(CACHE, member)
    if not os.path.exists(path):
        os.makedirs(CACHE, exist_ok=True)
        print(f"fetching {requirement}", file=sys.stderr)
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "-d", CACHE, requirement]
        if subprocess.run(fetch).returncode:
            fail(f"{requirement} cannot be fetched; HOOF_{kind.upper()} may name the tool", NO_TOOL)
        prefix = requirement.split("==")[0].replace("-", "_")
        wheel = os.path.join(CACHE, next(file for file in os.listdir(CACHE) if file.startswith(prefix) and file.endswith(".whl")))
        if hashlib.sha256(read(wheel)).hexdigest() != digest:
            fail(f"{wheel} is not the wheel that was tested (SHA-256 {digest})")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(CACHE)
        os.remove(wheel)
        if kind == "ptxas":
            os.chmod(path, 0o755)
    return path


class Compiler:
    def __init__(self):
        self.library = ctypes.CDLL(tool("nvrtc"))
        major, minor = ctypes.c_int(), ctypes.c_int()
        self.call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        if f"{major.value}.{minor.value}" != NVRTC_VERSION:
            fail(f"NVRTC {major.value}.{minor.value} was given; the images are made with {NVRTC_VERSION}")

    def call(self, name, *arguments):
        code = getattr(self.library, name)(*arguments)
        if code:
            fail(f"{name} failed with code {code}")

    def text(self, program, what):
        size = ctypes.c_size_t()
        self.call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(max(1, size.value))
        self.call(f"nvrtcGet{what}", program, buffer)
        return buffer.value

    def ptx(self, name):
        program = ctypes.c_void_p()
        source = read(os.path.join(SOURCES, name + ".cu"))
        self.call("nvrtcCreateProgram", ctypes.byref(program), source, (name + ".cu").encode(), 0, None, None)
        options = [f"--gpu-architecture={target(name)}", "--std=c++17", "-default-device", f"-I{SOURCES}"]
        values = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
        code = self.library.nvrtcCompileProgram(program, len(options), values)
        log = self.text(program, "ProgramLog").decode().strip()
        if log:
            print(log.replace(SOURCES + "/", ""), file=sys.stderr)
        if code:
            fail(f"{name}.cu does not compile")
        ptx = self.text(program, "PTX")
        self.call("nvrtcDestroyProgram", ctypes.byref(program))
        if ROOT.encode() in ptx:
            fail(f"{name}.ptx names this machine's folders")
        return first_line(name).encode() + ptx


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def compile_images(names):
    wanted = names or [name for name in all_names() if not is_current(name)]
    if wanted:
        compiler = Compiler()
        for name in wanted:
            ptx = compiler.ptx(name)
            write(image_path(name), ptx)
            print(f"{name}.ptx: {len(ptx)} bytes, {ptx.count(b'.entry')} kernels")
    if not names:
        for file in os.listdir(IMAGES) if os.path.isdir(IMAGES) else []:
            if file[:-4] not in all_names():
                os.remove(os.path.join(IMAGES, file))
    if not os.path.exists(LIST) or read(LIST) != image_list():
        write(LIST, image_list())


def check():
    wrong = [f"{name}.ptx is not of the sources beside it" for name in all_names() if not is_current(name)]
    if os.path.isdir(IMAGES):
        wrong += [f"{file} has no source" for file in sorted(os.listdir(IMAGES)) if file[:-4] not in all_names()]
    if read(LIST) != image_list():
        wrong.append("cuda_images.c does not list the images")
    if wrong:
        fail("; ".join(wrong) + "; run scripts/kernels.sh")
    print(f"{len(all_names())} kernel images match their sources")


def compare(names):
    compiler = Compiler()
    wrong = [name for name in names if read(image_path(name)) != compiler.ptx(name)]
    if wrong:
        fail("compiled differently: " + ", ".join(wrong))
    print(f"{len(names)} kernel images are what NVRTC {NVRTC_VERSION} makes of their sources")


def report(names):
    ptxas = tool("ptxas")
    print("| file | kernel | target | registers | spilled bytes | shared bytes |")
    print("|---|---|---|---:|---:|---:|")
    spilled = 0
    for name in names:
        for arch in REPORTED[target(name)]:
            done = subprocess.run([ptxas, "-v", f"-arch={arch}", image_path(name), "-o", "/dev/null"], capture_output=True, text=True)
            if done.returncode:
                fail(f"ptxas refuses {name}.ptx for {arch}: {done.stderr}")
            for kernel, facts in re.findall(r"Compiling entry function '(\w+)'(.*?)(?=Compiling entry|\Z)", done.stderr, re.S):
                def number(pattern):
                    match = re.search(pattern, facts)
                    return int(match.group(1)) if match else 0

                spills = number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads")
                spilled += spills > 0
                registers, shared = number(r"Used (\d+) registers"), number(r"(\d+) bytes smem")
                print(f"| {name} | {kernel} | {arch} | {registers} | {spills} | {shared} |")
    print(f"\n{spilled} kernels spill registers." if spilled else "\nNo kernel spills registers.")


def main():
    arguments = sys.argv[1:]
    names = [argument.removesuffix(".cu") for argument in arguments if not argument.startswith("-")]
    for name in names:
        if name not in all_names():
            fail(f"there is no {name}.cu; there are {', '.join(all_names())}")
    options = [argument for argument in arguments if argument.startswith("-")]
    if options in (["--help"], ["-h"]):
        print(__doc__.strip())
    elif options == ["--check"]:
        check()
    elif options == ["--compare"]:
        compare(names or all_names())
    elif options == ["--report"]:
        report(names or all_names())
    elif not options:
        compile_images(names)
    else:
        fail(f"unknown option {' '.join(options)}; see --help")


main()

#!/usr/bin/env python3
"""What PyTorch reaches on this GPU, beside hoof's own numbers: bf16 products (cuBLAS), a copy on the device, a pinned copy to it, and the
fused pieces of an LM head. usage: pytorch_peaks.py     (needs torch with CUDA). Prints a Markdown table."""
import torch
import torch.nn.functional as F


def milliseconds(work, repetitions=20):
    """Median of single calls, by events on the device."""
    for _ in range(3):
        work()
    times = []
    for _ in range(repetitions):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        work()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return sorted(times)[len(times) // 2]


print(f"torch {torch.__version__}, CUDA {torch.version.cuda}, {torch.cuda.get_device_name(0)}\n")
print("| what | median, ms | rate |\n|---|---|---|")
for m, n, k in [(2048, 3072, 8192), (2048, 3072, 3072), (2048, 8192, 3072), (8192, 3072, 8192), (8192, 8192, 8192)]:
    a = torch.randn(m, k, device="cuda", dtype=torch.bfloat16)
    b = torch.randn(n, k, device="cuda", dtype=torch.bfloat16)
    time = milliseconds(lambda: F.linear(a, b))
    print(f"| bf16 [{m}, {k}]·[{n}, {k}]ᵀ | {time:.4f} | {2e-9 * m * n * k / time:.1f} TFLOP/s |")
del a, b
hidden = torch.randn(2048, 3072, device="cuda", dtype=torch.bfloat16)
head = torch.randn(128256, 3072, device="cuda", dtype=torch.bfloat16)
full = torch.log_softmax(F.linear(hidden, head).float(), -1)
time = milliseconds(lambda: F.kl_div(torch.log_softmax(F.linear(hidden, head).float(), -1), full, reduction="sum", log_target=True), 10)
print(f"| LM head and KL, 2048 rows × 128,256, each its own kernel | {time:.3f} | {2e-9 * 2048 * 3072 * 128256 / time:.1f} TFLOP/s |")
del full, head, hidden
x = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
y = torch.empty_like(x)
time = milliseconds(lambda: y.copy_(x))
print(f"| copy on the device, 1 GiB | {time:.3f} | {2 * x.numel() / time * 1e-6:.0f} GB/s read and written |")
host = torch.empty(1 << 30, dtype=torch.uint8, pin_memory=True)
time = milliseconds(lambda: x.copy_(host, non_blocking=True), 8)
print(f"| pinned copy to the device, 1 GiB | {time:.3f} | {x.numel() / time * 1e-6:.1f} GB/s |")

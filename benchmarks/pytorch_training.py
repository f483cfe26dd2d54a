#!/usr/bin/env python3
"""A training step of a Llama model in PyTorch, for comparison: transformers' LlamaForCausalLM, all tokens scored, AdamW, clipping at 1.

usage: pytorch_training.py MODEL_FOLDER [--batch 8] [--tokens 128] [--steps 20] [--warmup 3] [--threads N] [--device cpu|cuda]
                           [--dtype f32|bf16] [--attention sdpa|eager|flash_attention_2] [--checkpoint] [--optimizer adamw|fused|adamw8bit]
                           [--layers N] [--random]

bf16 keeps the weights in bfloat16 and the moments with them, as Hugging Face's Trainer does with a model loaded so. adamw8bit needs
bitsandbytes. --random takes the folder's config.json only, --layers changes how many layers it has. The tokens are random: what they say
changes no time. Prints one JSON line: seconds of a step (median, least), tokens/s, peak memory, the first loss.
"""
import argparse
import json
import resource
import statistics
import time

import torch
from transformers import AutoConfig, LlamaForCausalLM

parser = argparse.ArgumentParser(usage=__doc__)
parser.add_argument("model")
parser.add_argument("--batch", type=int, default=8)
parser.add_argument("--tokens", type=int, default=128)
parser.add_argument("--steps", type=int, default=20)
parser.add_argument("--warmup", type=int, default=3)
parser.add_argument("--threads", type=int)
parser.add_argument("--device", default="cpu")
parser.add_argument("--dtype", default="f32", choices=["f32", "bf16"])
parser.add_argument("--attention", default="sdpa")
parser.add_argument("--checkpoint", action="store_true")
parser.add_argument("--optimizer", default="fused", choices=["adamw", "fused", "adamw8bit"])
parser.add_argument("--layers", type=int)
parser.add_argument("--random", action="store_true")
options = parser.parse_args()

if options.threads:
    torch.set_num_threads(options.threads)
torch.manual_seed(0)
dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[options.dtype]
if options.random:
    config = AutoConfig.from_pretrained(options.model)
    config.num_hidden_layers = options.layers or config.num_hidden_layers
    config._attn_implementation = options.attention
    with torch.device(options.device):
        model = LlamaForCausalLM(config).to(dtype)
else:
    model = LlamaForCausalLM.from_pretrained(options.model, dtype=dtype, attn_implementation=options.attention).to(options.device)
model.config.use_cache = False
if options.checkpoint:
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
model.train()
rates = dict(lr=1e-5, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.0)
if options.optimizer == "adamw8bit":
    import bitsandbytes

    optimizer = bitsandbytes.optim.AdamW8bit(model.parameters(), **rates)
else:
    optimizer = torch.optim.AdamW(model.parameters(), fused=options.optimizer == "fused", **rates)


def wait():
    if options.device == "cuda":
        torch.cuda.synchronize()


seconds, first = [], None
for step in range(options.warmup + options.steps):
    ids = torch.randint(0, model.config.vocab_size, (options.batch, options.tokens), device=options.device)
    wait()
    start = time.perf_counter()
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    value = loss.item()
    wait()
    first = value if first is None else first
    if step >= options.warmup:
        seconds.append(time.perf_counter() - start)

median = statistics.median(seconds)
peak = torch.cuda.max_memory_allocated() if options.device == "cuda" else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({
    "torch": torch.__version__, "device": options.device, "dtype": options.dtype, "threads": torch.get_num_threads(),
    "batch": options.batch, "tokens": options.tokens, "attention": options.attention, "optimizer": options.optimizer,
    "checkpointed": options.checkpoint, "seconds": median, "least": min(seconds),
    "tokens_per_second": options.batch * options.tokens / median, "peak_bytes": peak, "first_loss": first,
}))

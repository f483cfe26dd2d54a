#!/usr/bin/env python3
"""The ablation study (all layers, all heads) in PyTorch, for comparison: KL(full || changed), a mean over all positions of all prompts.

usage: pytorch_ablation.py MODEL_FOLDER PROMPTS.json [--mode naive|batched|prefix] [--device cuda|cpu] [--dtype bf16|f32]
                           [--threads N] [--parts N] [--max-tokens 64] [--plain]

naive    one hook, one prompt and one full pass at a time: how such studies are usually written
batched  the same with all prompts in one batch
prefix   all prompts in one batch, and each change starts from the residual stream entering its layer
PROMPTS.json: texts (needs transformers), or lists of token ids. --parts N measures N of the layers and heads, spread evenly over the model,
and scales the time. Needs torch; transformers runs the first two modes where it is there, a plain module the rest (--plain: everything).
Prints one JSON line.
"""
import argparse
import json
import os
import struct
import time

import torch
import torch.nn.functional as F
from torch import nn

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def read_safetensors(folder):
    """All tensors of a folder's .safetensors files."""
    tensors = {}
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".safetensors"):
            continue
        path = os.path.join(folder, name)
        with open(path, "rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            header = json.loads(file.read(length))
        data = torch.from_file(path, shared=False, size=os.path.getsize(path), dtype=torch.uint8)
        for key, entry in header.items():
            if key != "__metadata__":
                start, end = (8 + length + offset for offset in entry["data_offsets"])
                tensors[key] = data[start:end].clone().view(DTYPES[entry["dtype"]]).view(entry["shape"])
    return tensors


class Norm(nn.Module):
    def __init__(self, weight, epsilon):
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(weight, False), epsilon

    def forward(self, x):
        return F.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


def linear(weight):
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    layer.weight = nn.Parameter(weight, False)
    return layer


class Attention(nn.Module):
    def __init__(self, take, config):
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (linear(take(f"self_attn.{part}_proj.weight")) for part in "qkvo")
        self.head_dim = config["head_dim"]

    def heads(self, x, rotation):
        batch, length, _ = x.shape
        q, k, v = (
            projection(x).view(batch, length, -1, self.head_dim).transpose(1, 2) for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        cos, sin = rotation
        q, k = (y * cos + torch.cat((-y[..., self.head_dim // 2 :], y[..., : self.head_dim // 2]), -1) * sin for y in (q, k))
        groups = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return out.transpose(1, 2).reshape(batch, length, -1)

    def forward(self, x, rotation):
        return self.o_proj(self.heads(x, rotation))


class MLP(nn.Module):
    def __init__(self, take):
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = (linear(take(f"mlp.{part}_proj.weight")) for part in ("gate", "up", "down"))

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, take, config):
        super().__init__()
        self.self_attn, self.mlp = Attention(take, config), MLP(take)
        self.input_layernorm = Norm(take("input_layernorm.weight"), config["rms_norm_eps"])
        self.post_attention_layernorm = Norm(take("post_attention_layernorm.weight"), config["rms_norm_eps"])

    def rest(self, x):
        return x + self.mlp(self.post_attention_layernorm(x))

    def forward(self, x, rotation):
        return self.rest(x + self.self_attn(self.input_layernorm(x), rotation))


class Llama(nn.Module):
    """The decoder, without anything that generation needs."""

    def __init__(self, folder, device, dtype):
        super().__init__()
        config = json.load(open(os.path.join(folder, "config.json")))
        config.setdefault("head_dim", config["hidden_size"] // config["num_attention_heads"])
        config.setdefault("rms_norm_eps", 1e-6)
        self.settings, self.device = config, device
        tensors = read_safetensors(folder)

        def take(name):
            return tensors.pop(name).to(device, dtype)

        self.embedding = nn.Parameter(take("model.embed_tokens.weight"), False)
        self.layers = nn.ModuleList(
            Layer(lambda name, i=i: take(f"model.layers.{i}.{name}"), config) for i in range(config["num_hidden_layers"])
        )
        self.norm = Norm(take("model.norm.weight"), config["rms_norm_eps"])
        self.head = take("lm_head.weight") if "lm_head.weight" in tensors else self.embedding
        self.tables = {}

    def rotation(self, length):
        if length not in self.tables:
            half = self.settings["head_dim"] // 2
            rope = self.settings.get("rope_scaling") or self.settings.get("rope_parameters") or {}
            theta = self.settings.get("rope_theta") or rope.get("rope_theta", 10000.0)
            frequencies = theta ** -(torch.arange(half, dtype=torch.float64) / half)
            if rope.get("rope_type") == "llama3":
                waves = 2 * torch.pi / frequencies
                low, high, factor = rope["low_freq_factor"], rope["high_freq_factor"], rope["factor"]
                context = rope["original_max_position_embeddings"]
                blend = ((context / waves - low) / (high - low)).clamp(0, 1)
                frequencies = (1 - blend) * frequencies / factor + blend * frequencies
            angles = torch.outer(torch.arange(length, dtype=torch.float64), frequencies).repeat(1, 2)
            self.tables[length] = tuple(x.to(self.device, self.embedding.dtype) for x in (angles.cos(), angles.sin()))
        return self.tables[length]

    def start(self, ids):
        return F.embedding(ids, self.embedding), self.rotation(ids.shape[1])

    def finish(self, x):
        return F.linear(self.norm(x), self.head)

    def forward(self, ids):
        x, rotation = self.start(ids)
        for layer in self.layers:
            x = layer(x, rotation)
        return self.finish(x)


def log_probabilities(logits):
    return torch.log_softmax(logits.float(), -1)


def divergence(log_p, logits):
    """Sum over positions of KL, left on the device: reading it would wait for the GPU."""
    return F.kl_div(log_probabilities(logits), log_p, reduction="sum", log_target=True).double()


class Study:
    """Layers and heads taken out with hooks, over batches that all pass through the whole model."""

    def __init__(self, model, batches):
        self.batches = batches
        self.isPlain = isinstance(model, Llama)
        self.run = model if self.isPlain else lambda ids: model(ids, use_cache=False).logits
        self.layers = model.layers if self.isPlain else model.model.layers
        settings = model.settings if self.isPlain else model.config.to_dict()
        self.head_count = settings["num_attention_heads"]
        self.head_dim = settings.get("head_dim") or settings["hidden_size"] // self.head_count

    def begin(self):
        self.full = [log_probabilities(self.run(ids)) for ids in self.batches]

    def layer(self, index):
        def identity(_, inputs, output):
            return (inputs[0],) + output[1:] if isinstance(output, tuple) else inputs[0]

        return self.measure(self.layers[index].register_forward_hook(identity))

    def head(self, index, head):
        def silence(_, inputs):
            x = inputs[0].clone()
            x[..., head * self.head_dim : (head + 1) * self.head_dim] = 0
            return (x,)

        return self.measure(self.layers[index].self_attn.o_proj.register_forward_pre_hook(silence))

    def measure(self, handle):
        total = sum(divergence(full, self.run(ids)) for full, ids in zip(self.full, self.batches))
        handle.remove()
        return total


class PrefixStudy(Study):
    """Each change starts from the residual stream entering its layer, and a layer's heads are computed once."""

    def begin(self):
        self.model, self.residuals = self.run, []
        self.known = None
        for ids in self.batches:
            x, self.rotation = self.model.start(ids)
            for layer in self.layers:
                self.residuals.append(x)
                x = layer(x, self.rotation)
            self.full = log_probabilities(self.model.finish(x))

    def leave(self, x, index):
        for layer in self.layers[index + 1 :]:
            x = layer(x, self.rotation)
        return divergence(self.full, self.model.finish(x))

    def layer(self, index):
        return self.leave(self.residuals[index], index)

    def head(self, index, head):
        layer, x = self.layers[index], self.residuals[index]
        if self.known is None or self.known[0] != index:
            heads = layer.self_attn.heads(layer.input_layernorm(x), self.rotation)
            self.known = (index, heads, layer.self_attn.o_proj(heads))
        _, heads, update = self.known
        columns = slice(head * self.head_dim, (head + 1) * self.head_dim)
        silent = F.linear(heads[..., columns], layer.self_attn.o_proj.weight[:, columns])
        return self.leave(layer.rest(x + update - silent), index)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("prompts")
    parser.add_argument("--mode", choices=["naive", "batched", "prefix"], default="naive")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", choices=["bf16", "f32"], default="f32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--parts", type=int, default=0)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--plain", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    dtype = torch.bfloat16 if options.dtype == "bf16" else torch.float32

    try:
        import transformers
    except ImportError:
        transformers = None
    prompts = json.load(open(options.prompts))
    if isinstance(prompts[0], str):
        tokenizer = transformers.AutoTokenizer.from_pretrained(options.folder)
        prompts = [tokenizer(text)["input_ids"] for text in prompts]
    prompts = [ids[: options.max_tokens] for ids in prompts]
    if options.mode != "naive" and len(set(map(len, prompts))) > 1:
        raise SystemExit("the prompts must be of one length to be batched without padding")
    batches = [torch.tensor([ids], device=options.device) for ids in prompts]
    if options.mode != "naive":
        batches = [torch.cat(batches)]

    plain = options.plain or options.mode == "prefix" or transformers is None
    if plain:
        model = Llama(options.folder, options.device, dtype)
    else:
        model = transformers.LlamaForCausalLM.from_pretrained(options.folder, dtype=dtype, attn_implementation="sdpa")
        model = model.to(options.device).eval()
    study = (PrefixStudy if options.mode == "prefix" else Study)(model, batches)

    parts = [(layer, head) for layer in range(len(study.layers)) for head in [None, *range(study.head_count)]]
    chosen = parts
    if 0 < options.parts < len(parts):
        # With hooks every part costs one full pass, whichever it is; early and late ones are spread evenly for the prefix mode's sake.
        chosen = [parts[(2 * i + 1) * len(parts) // (2 * options.parts)] for i in range(options.parts)]

    def wait():
        if options.device != "cpu":
            torch.cuda.synchronize()

    with torch.inference_mode():
        for ids in batches[:1]:
            study.run(ids)
        wait()
        start = time.perf_counter()
        study.begin()
        wait()
        first = time.perf_counter() - start
        totals = [study.layer(layer) if head is None else study.head(layer, head) for layer, head in chosen]
        wait()
        seconds = time.perf_counter() - start
    positions = sum(map(len, prompts))
    values = {part: (total / positions).item() for part, total in zip(chosen, totals)}
    scaled = first + (seconds - first) * len(parts) / len(chosen)
    print(
        json.dumps(
            {
                "mode": options.mode, "seconds": scaled, "measured_seconds": seconds, "measured_parts": len(chosen), "parts": len(parts),
                "prompts": len(prompts), "tokens": positions, "device": options.device, "dtype": options.dtype,
                "model": "plain module" if plain else f"transformers {transformers.__version__}", "torch": torch.__version__,
                "layers": {layer: kl for (layer, head), kl in values.items() if head is None},
                "heads": {f"{layer}.{head}": kl for (layer, head), kl in values.items() if head is not None},
            }
        )
    )


main()

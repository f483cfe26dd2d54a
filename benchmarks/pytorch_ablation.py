#!/usr/bin/env python3
"""The plain way to do an ablation study, for comparison: PyTorch and transformers, one hook, one prompt and one full pass at a time.

usage: pytorch_ablation.py MODEL_FOLDER PROMPTS.json [THREADS]     (needs torch, transformers)
Prints one JSON line: seconds of the study, passes, and the KL of each layer and head.
"""
import json
import sys
import time

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

folder, prompts_path = sys.argv[1:3]
torch.set_num_threads(int(sys.argv[3]) if len(sys.argv) > 3 else 2)
tokenizer = AutoTokenizer.from_pretrained(folder)
model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
prompts = [tokenizer(text)["input_ids"][:64] for text in json.load(open(prompts_path))]
batches = [torch.tensor([ids]) for ids in prompts]
head_dim = model.config.head_dim


def study(hook_on=None, hook=None, before=False):
    """Mean KL(full || changed) over all positions; with no hook, keeps the full model's log-probabilities."""
    handle = None
    if hook is not None:
        handle = hook_on.register_forward_pre_hook(hook) if before else hook_on.register_forward_hook(hook)
    total, count = 0.0, 0
    for index, ids in enumerate(batches):
        log_q = torch.log_softmax(model(ids).logits[0].double(), -1)
        if hook is None:
            full.append(log_q)
        else:
            total += (full[index].exp() * (full[index] - log_q)).sum().item()
            count += log_q.shape[0]
    if handle:
        handle.remove()
    return total / max(1, count)


def silence(head):
    def hook(_, inputs):
        x = inputs[0].clone()
        x[..., head * head_dim : (head + 1) * head_dim] = 0
        return (x,)

    return hook


full = []
with torch.inference_mode():
    model(batches[0])
    start = time.perf_counter()
    study()
    layers, heads = [], []
    for layer in model.model.layers:
        layers.append(study(layer, lambda _, inputs, output: inputs[0] if torch.is_tensor(output) else (inputs[0],) + output[1:]))
        for head in range(model.config.num_attention_heads):
            heads.append(study(layer.self_attn.o_proj, silence(head), before=True))
    seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "passes": len(layers) + len(heads), "torch": torch.__version__, "layers": layers, "heads": heads}))

"""What transformers, the gguf package and llama.cpp make of exported models; each command prints a line and fails where they disagree."""
import json
import os
import struct
import sys

import numpy as np


def report(what, value, limit):
    ok = value <= limit
    print(f"   {'ok  ' if ok else 'FAIL'} {what}: {value:.2e} (limit {limit:.0e})")
    sys.exit(0 if ok else 1)


class Hoof:
    """A .hoof file of f32 tensors, read by docs/hoof-format.md, and its forward pass: layers as they are, without padding."""

    def __init__(self, path):
        data = open(path, "rb").read()
        header, tokenizer, table, start, _ = struct.unpack("<5Q", data[16:56])
        self.header = json.loads(data[64 : 64 + header])
        self.config = self.header["config"]
        at = 64 + header + tokenizer
        self.tensors = {}
        for entry in json.loads(data[at : at + table])["tensors"]:
            assert entry["dtype"] == "f32", entry
            values = np.frombuffer(data, np.float32, entry["bytes"] // 4, start + entry["offset"])
            self.tensors[entry["name"]] = values.reshape(entry["shape"]).astype(np.float64)

    def logits(self, ids):
        config, tensors = self.config, self.tensors
        size = config["head_dim"]
        rope = config["rope_parameters"]
        frequencies = rope["rope_theta"] ** (-np.arange(0, size, 2) / size)
        if rope["rope_type"] == "llama3":
            low, high = rope["low_freq_factor"], rope["high_freq_factor"]
            turns = rope["original_max_position_embeddings"] * frequencies / (2 * np.pi)
            share = np.clip((turns - low) / (high - low), 0, 1)
            frequencies = frequencies * ((1 - share) / rope["factor"] + share)
        elif rope["rope_type"] == "linear":
            frequencies = frequencies / rope["factor"]
        angles = np.outer(np.arange(len(ids)), frequencies)
        cosine, sine = np.cos(np.concatenate([angles, angles], 1)), np.sin(np.concatenate([angles, angles], 1))

        def norm(x, weight):
            return x / np.sqrt((x * x).mean(1, keepdims=True) + config["rms_norm_eps"]) * weight

        def turned(x):
            half = size // 2
            return x * cosine + np.concatenate([-x[:, half:], x[:, :half]], 1) * sine

        mask = np.triu(np.full((len(ids), len(ids)), -np.inf), 1)
        x = tensors["model.embed_tokens.weight"][ids]
        for layer in range(config["num_hidden_layers"]):
            part = lambda name: tensors[f"model.layers.{layer}.{name}.weight"]
            heads, keys = config["query_heads"][layer], config["key_value_heads"][layer]
            if heads:
                h = norm(x, part("input_layernorm"))
                q, k, v = (h @ part(f"self_attn.{name}_proj").T for name in "qkv")
                out = []
                for head in range(heads):
                    group = head // (heads // keys)
                    columns, shared = slice(head * size, (head + 1) * size), slice(group * size, (group + 1) * size)
                    scores = turned(q[:, columns]) @ turned(k[:, shared]).T / np.sqrt(size) + mask
                    weights = np.exp(scores - scores.max(1, keepdims=True))
                    out.append(weights / weights.sum(1, keepdims=True) @ v[:, shared])
                x = x + np.concatenate(out, 1) @ part("self_attn.o_proj").T
            if config["intermediate_sizes"][layer]:
                h = norm(x, part("post_attention_layernorm"))
                gate = h @ part("mlp.gate_proj").T
                x = x + (gate / (1 + np.exp(-gate)) * (h @ part("mlp.up_proj").T)) @ part("mlp.down_proj").T
        head = tensors.get("lm_head.weight", tensors["model.embed_tokens.weight"])
        return norm(x, tensors["model.norm.weight"]) @ head.T


def load(folder):
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert type(model).__name__ == "LlamaForCausalLM"
    return model.eval(), transformers.AutoTokenizer.from_pretrained(folder)


def logits(hoof, folder):
    import torch

    reference = Hoof(hoof)
    model, tokenizer = load(folder)
    worst = 0
    for text in ["Once upon a time there was a little girl", "The cat sat on the mat. Then, 12 dogs came!", "\n\nZoë's hat"]:
        ids = tokenizer(text)["input_ids"]
        with torch.no_grad():
            theirs = model(torch.tensor([ids])).logits[0].numpy()
        ours = reference.logits(ids)
        worst = max(worst, np.abs(theirs - ours).max() / np.abs(ours).max())
    report("logits in transformers beside the unpadded model in float64", worst, 1e-4)


def perplexity(folder, text, window):
    import torch

    model, tokenizer = load(folder)
    ids = tokenizer(open(text, encoding="utf-8").read(), add_special_tokens=False)["input_ids"]
    begin = tokenizer("")["input_ids"]
    total, count = 0.0, 0
    for start in range(0, len(ids), int(window)):
        piece = begin + ids[start : start + int(window)]
        with torch.no_grad():
            scores = torch.log_softmax(model(torch.tensor([piece])).logits[0].double(), -1)
        total -= sum(scores[i, piece[i + 1]].item() for i in range(len(piece) - 1))
        count += len(piece) - 1
    print(np.exp(total / count))


def weights(folder, path):
    """Every tensor of the GGUF, widened by the gguf package, is the folder's; the folder may be narrower."""
    import gguf
    from safetensors import safe_open
    import glob

    reader = gguf.GGUFReader(path)
    field = lambda name: reader.fields[name].contents()
    assert field("general.architecture") == "llama"
    stored = {}
    for file in glob.glob(folder + "/*.safetensors"):
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():
                stored[name] = tensors.get_tensor(name).float().numpy()
    heads, keys, size = field("llama.attention.head_count"), field("llama.attention.head_count_kv"), field("llama.attention.key_length")
    parts = {
        "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
    whole = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
    width = field("llama.embedding_length")
    narrow = json.load(open(folder + "/config.json"))["hidden_size"]
    worst, seen, types = 0.0, 0, set()
    for tensor in reader.tensors:
        if tensor.name == "rope_freqs.weight":
            continue
        types.add(tensor.tensor_type.name)
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        words = tensor.name.split(".")
        name = whole[words[0]] if words[0] in whole else f"model.layers.{words[1]}.{parts[words[2]]}"
        if words[0] == "blk" and words[2] in ("attn_q", "attn_k"):
            count = heads if words[2] == "attn_q" else keys
            values = values.reshape(count, size // 2, 2, -1).swapaxes(1, 2).reshape(count * size, -1)
        if name.endswith("norm") and width != narrow:
            values = values / np.sqrt(narrow / width)
        theirs = stored[name + ".weight"]
        seen += 1
        if name.endswith("norm") and (theirs == 1).all():
            continue  # Of a sublayer of zeros.
        here = values[tuple(slice(0, n) for n in theirs.shape)]
        worst = max(worst, np.abs(here - theirs).max() / max(np.abs(theirs).max(), 1e-30))
        outside = np.abs(values).sum(dtype=np.float64) - np.abs(here).sum(dtype=np.float64)
        # A part of a block that is no value of the model may hold anything where zeros are multiplied with it.
        if words[-2] not in ("attn_output", "ffn_down") and tensor.tensor_type.name != "Q4_K":
            worst = max(worst, abs(outside) / max(np.abs(here).sum(dtype=np.float64), 1e-30))
    assert seen == len(stored) or seen == len(stored) - 1, (seen, len(stored))
    report(f"{seen} tensors of the GGUF ({', '.join(sorted(types))}) beside the folder's", worst, 1e-3 if "F16" in types else 2e-6)


def retype(source, target, name):
    """The same GGUF with its matrices in another type, written by the gguf package."""
    import gguf

    reader = gguf.GGUFReader(source)
    kind = gguf.GGMLQuantizationType[name]
    writer = gguf.GGUFWriter(target, "llama")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        sub = field.types[1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        fits = values.ndim == 2 and values.shape[-1] % gguf.GGML_QUANT_SIZES[kind][0] == 0
        if fits:
            writer.add_tensor(tensor.name, quantized(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(tensor.name, np.ascontiguousarray(values, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantized(values, kind):
    """Rows of blocks; of types that the gguf package can only read, blocks of random bits with a small scale."""
    import gguf

    try:
        return gguf.quants.quantize(values, kind)
    except NotImplementedError:
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = np.random.default_rng(1).integers(0, 256, (values.shape[0], values.shape[1] // elements, size), np.uint8)
        for place in {"Q6_K": [208], "Q5_K": [0, 2], "Q4_K": [0, 2]}[kind.name]:
            blocks[:, :, place : place + 2] = np.frombuffer(np.float16(1 / 1024).tobytes(), np.uint8)
        return blocks.reshape(values.shape[0], -1)


def rope(folder, target, kind):
    """The folder with its rotary frequencies stretched, of no use but to be read alike by all."""
    import os
    import shutil

    shutil.copytree(folder, target)
    os.chmod(target, 0o755)
    path = target + "/config.json"
    config = json.load(open(path))
    os.remove(path)
    theta = config.get("rope_theta") or config["rope_parameters"]["rope_theta"]
    for name in ["rope_theta", "rope_scaling"]:
        config.pop(name, None)
    config["rope_parameters"] = {"rope_theta": theta, "rope_type": kind, "factor": 4.0}
    if kind == "llama3":
        config["rope_parameters"] |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
    json.dump(config, open(path, "w"))


def vocabulary(path, target, hoof):
    """One of llama.cpp's files of a tokenizer and texts (.inp, .out): hoof gives the ids that stand there."""
    import subprocess

    import gguf

    reader = gguf.GGUFReader(path)
    writer = gguf.GGUFWriter(target, "llama")
    for field in reader.fields.values():
        if field.name.startswith("tokenizer."):
            sub = field.types[1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), field.types[0], sub)
    count = len(reader.fields["tokenizer.ggml.tokens"].contents())
    for key, value in {
        "block_count": 1, "context_length": 64, "embedding_length": 8, "feed_forward_length": 8, "attention.head_count": 2,
        "attention.head_count_kv": 1,
    }.items():
        writer.add_uint32("llama." + key, value)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    shapes = {"token_embd": [count, 8], "output_norm": [8]} | {
        f"blk.0.{name}": shape
        for name, shape in {
            "attn_norm": [8], "ffn_norm": [8], "attn_q": [8, 8], "attn_k": [4, 8], "attn_v": [4, 8], "attn_output": [8, 8],
            "ffn_gate": [8, 8], "ffn_up": [8, 8], "ffn_down": [8, 8],
        }.items()
    }
    for name, shape in shapes.items():
        writer.add_tensor(name + ".weight", np.ones(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    texts = open(path + ".inp", encoding="utf-8").read().split("\n__ggml_vocab_test__\n")
    run = subprocess.run([hoof, "tokenize", target, "--json", "--no-bos"], input=json.dumps(texts), capture_output=True, text=True, check=True)
    lines = open(path + ".out", encoding="utf-8").read().split("\n")
    wrong = sum(line.split() != [str(id) for id in ids] for line, ids in zip(lines, json.loads(run.stdout)))
    report(f"{path.split('/')[-1]}: texts of {len(texts)} with other ids", wrong, 0)


def greedy(folder, said, prompt):
    import torch

    model, tokenizer = load(folder)
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        out = model.generate(ids, max_new_tokens=40, do_sample=False, eos_token_id=None, pad_token_id=0)

    def text(ids):
        return tokenizer.decode(ids, skip_special_tokens=True)

    ours = text(out[0])
    theirs = open(said, encoding="utf-8", errors="replace").read()
    theirs = theirs[max(theirs.find(prompt), 0) :].replace("[end of text]", "").strip()
    # llama.cpp stops where a text ends.
    same = len(os.path.commonprefix([ours, theirs]))
    if theirs and same >= min(len(theirs), len(ours)) - 1:
        return report(f"greedy text of llama.cpp: {same} of {len(ours)} characters as transformers writes, and then a distance in logits of", 0, 0)
    # It rounds activations, and a near tie may fall the other way: what it wrote where they part must be nearly as likely here.
    length = next(n for n in range(ids.shape[1], out.shape[1] + 1) if not theirs.startswith(text(out[0][:n]))) - 1
    with torch.no_grad():
        logits = model(out[:, :length]).logits[0, -1]
    likely = [token for token in logits.topk(50).indices.tolist() if theirs.startswith(text([*out[0][:length].tolist(), token]))]
    # A token that adds nothing to the text is no step of it.
    likely = [token for token in likely if len(text([*out[0][:length].tolist(), token])) > len(text(out[0][:length]))]
    distance = float(logits.max() - logits[likely].max()) if likely and theirs else float("inf")
    if distance > 0:
        print(f"        {ours!r}\n        {theirs!r}")
    report(f"greedy text of llama.cpp: {same} of {len(ours)} characters as transformers writes, and then a distance in logits of", distance, 0.25)


def field(name):
    def find(value):
        if isinstance(value, dict):
            if isinstance(value.get(name), (int, float)):
                return value[name]
            for inner in value.values():
                found = find(inner)
                if found is not None:
                    return found
        return None

    print(find(json.load(sys.stdin)))


def close(what, a, b, limit):
    a, b = float(a), float(b)
    print(f"        {a:.6f} beside {b:.6f}")
    report(what, abs(a - b) / b if a == a else float("inf"), float(limit))


{
    "rope": rope, "vocabulary": vocabulary, "logits": logits, "perplexity": perplexity, "weights": weights, "retype": retype, "greedy": greedy, "field": field, "close": close,
}[sys.argv[1]](*sys.argv[2:])

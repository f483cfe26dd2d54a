"""The table of decode.sh: medians over rounds, hoof beside llama-bench. usage: decode_table.py FOLDER"""

import collections
import json
import pathlib
import re
import statistics
import sys

rates = collections.defaultdict(lambda: collections.defaultdict(list))  # (model, work) -> tool -> tokens/s, one a round
shares = collections.defaultdict(list)  # (model, work, tool) -> share of the roof
roofs = {}
errors = collections.defaultdict(list)
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    _, model, tool = re.fullmatch(r"(\d+)\.(.+)\.((?:hoof|llama)-\w+)\.json", path.name).groups()
    data = json.loads(path.read_text())
    if tool.startswith("llama"):
        work = "read 128" if tool.endswith("read") else "write, 1 stream"
        rates[model, work]["llama.cpp"].append(data[0]["avg_ts"])
        continue
    tool = tool.replace("-", " ")
    for row in data["model"]["rows"]:
        work = {"prefill of a prompt": "read 128", "decode, 1 sequence": "write, 1 stream", "decode, 8 sequences": "write, 8 streams"}.get(row["work"])
        if work is None:
            continue
        rates[model, work][tool].append(row["tokens_per_second"])
        shares[model, work, tool].append(row["share_of_roof"])
        roofs[model, work] = row["roof"]
        errors[model, tool].append(row["logits_error"])

print("\n| model | work | tool | tokens/s, median (least … most) | against llama.cpp | of roof |")
print("|---|---|---|---|---|---|")
for (model, work), tools in sorted(rates.items()):
    peer = statistics.median(tools["llama.cpp"]) if tools["llama.cpp"] else None
    for tool, values in sorted(tools.items()):
        if not values:
            continue
        middle = statistics.median(values)
        gain = f"{middle / peer:.2f} ×" if peer else ""
        key = (model, work, tool)
        share = statistics.median(shares[key]) if shares[key] else None
        if share is None and peer:
            # The same bytes and operations: its share is ours times how much slower it is.
            ours = next((t for t in sorted(tools) if shares[model, work, t]), None)
            share = statistics.median(shares[model, work, ours]) * middle / statistics.median(tools[ours]) if ours else None
        roof = f"{100 * share:.0f} % {roofs[model, work]}" if share is not None else ""
        print(f"| {model} | {work} | {tool} | {middle:.1f} ({min(values):.1f} … {max(values):.1f}) | {gain} | {roof} |")
print()
for (model, tool), values in sorted(errors.items()):
    print(f"{model}, {tool}: logits differ from f32's by {statistics.median(values):.1e} of their size")

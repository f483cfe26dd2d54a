#!/usr/bin/env python3
"""How far ablation reports are from one of them: rank correlation of layers and heads, and the absolute error by decade of KL.

usage: compare_reports.py REFERENCE.json OTHER.json…      (the reports of hoof ablate -o)
Prints Markdown. Exit code 1 if a rank correlation is below 0.999, or a number of another f32 report differs by more than 1e-3 of its size.
"""
import json
import math
import sys

SECTIONS = ["layers", "sublayers", "heads", "kv_groups"]
LEAST_CORRELATION = 0.999
F32_LIMIT = 1e-3
# Below this KL, f32 logits themselves are the noise.
FLOOR = 1e-6


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    result = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for i in order[start : end + 1]:
            result[i] = (start + end) / 2
        start = end + 1
    return result


def spearman(a, b):
    a, b = ranks(a), ranks(b)
    mean = (len(a) - 1) / 2
    spread = math.sqrt(sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b))
    return sum((x - mean) * (y - mean) for x, y in zip(a, b)) / spread if spread else 1.0


def values(report, section):
    return [entry["kl"] for entry in report.get(section, [])]


reference = json.load(open(sys.argv[1]))
failures = []
print(f"Reference: {reference['model']['path']} on {reference['backend']}\n")
for path in sys.argv[2:]:
    report = json.load(open(path))
    print(f"**{report['backend']}**, {report['seconds']:.2f} s\n")
    print("| section | parts | Spearman | greatest relative error | greatest absolute error |\n|---|---|---|---|---|")
    pairs = []
    for section in SECTIONS:
        expected, found = values(reference, section), values(report, section)
        if len(expected) != len(found):
            failures.append(f"{path}: {section}: {len(found)} parts, expected {len(expected)}")
        if not expected or len(expected) != len(found):
            continue
        pairs += zip(expected, found)
        correlation = spearman(expected, found)
        relative = max(abs(x - y) / max(abs(x), FLOOR) for x, y in zip(expected, found))
        absolute = max(abs(x - y) for x, y in zip(expected, found))
        print(f"| {section} | {len(expected)} | {correlation:.6f} | {relative:.2e} | {absolute:.2e} |")
        if not correlation >= LEAST_CORRELATION and section in ("layers", "heads"):
            failures.append(f"{path}: {section}: rank correlation {correlation:.5f} is below {LEAST_CORRELATION}")
        if "f32" in path.rsplit("/", 1)[-1] and "tf32" not in path and not relative <= F32_LIMIT:
            failures.append(f"{path}: {section}: relative error {relative:.2e} is above {F32_LIMIT}")
    print("\n| KL between | parts | mean absolute error | greatest | mean relative |\n|---|---|---|---|---|")
    decades = {}
    for x, y in pairs:
        decades.setdefault(math.floor(math.log10(max(x, 1e-12))), []).append((x, abs(x - y)))
    for decade, errors in sorted(decades.items()):
        mean = sum(e for _, e in errors) / len(errors)
        relative = sum(e / max(x, 1e-12) for x, e in errors) / len(errors)
        print(f"| 1e{decade} and 1e{decade + 1} | {len(errors)} | {mean:.2e} | {max(e for _, e in errors):.2e} | {relative:.1e} |")
    print()
for failure in failures:
    print(f"FAILED: {failure}")
sys.exit(1 if failures else 0)

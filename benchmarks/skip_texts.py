"""Texts of several kinds in turns, for `hoof research skip`: a calibration file and a held-out one that share no text.

usage: skip_texts.py TEXT_FOLDER OUT_FOLDER CALIBRATION_TEXTS HELD_OUT_TEXTS KIND…

KINDs: stories (tinystories.jsonl), wiki (wikitext2_valid.txt), books (oz_books_sample.txt), plays (tinyshakespeare_first90.txt). Of each kind
an equal share; a text has 300 characters at least. Text i of either file is of kind i modulo the number of kinds. Drawn with seed 0.
"""

import json
import random
import sys
from pathlib import Path


def stories(folder):
    return [json.loads(line)["text"] for line in (folder / "tinystories.jsonl").read_text().splitlines()]


def wiki(folder):
    return [line.strip() for line in (folder / "wikitext2_valid.txt").read_text().splitlines() if not line.strip().startswith("=")]


def passages(path):
    """Lines of running text, joined until they are long enough."""
    texts, text = [], ""
    for line in path.read_text().splitlines():
        text = f"{text} {line.strip()}".strip()
        if len(text) >= 300:
            texts.append(text)
            text = ""
    return texts


SOURCES = {
    "stories": stories,
    "wiki": wiki,
    "books": lambda folder: passages(folder / "oz_books_sample.txt"),
    "plays": lambda folder: passages(folder / "tinyshakespeare_first90.txt"),
}


def main():
    folder, out, calibration, held_out, *kinds = sys.argv[1:]
    counts = [int(count) // len(kinds) for count in (calibration, held_out)]
    parts = []
    for kind in kinds:
        texts = list(dict.fromkeys(text for text in SOURCES[kind](Path(folder)) if len(text) >= 300))
        random.Random(0).shuffle(texts)
        if len(texts) < sum(counts):
            sys.exit(f"{kind}: {len(texts)} texts, and {sum(counts)} are needed")
        parts.append((texts[: counts[0]], texts[counts[0] : sum(counts)]))
    Path(out).mkdir(parents=True, exist_ok=True)
    for place, name in enumerate(("calibration", "heldout")):
        rows = [text for group in zip(*(part[place] for part in parts)) for text in group]
        (Path(out) / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in rows))


if __name__ == "__main__":
    main()

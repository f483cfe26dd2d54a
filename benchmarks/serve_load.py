"""Readers of a server of hoof: serve_load.py URL PID SECONDS. Python's own library only, and little work for each token: both share the machine."""
import asyncio
import json
import random
import sys
import time
import urllib.parse

url = urllib.parse.urlparse(sys.argv[1])
pid, seconds = int(sys.argv[2]), float(sys.argv[3])
subjects = ["a cat", "the sea", "an old king", "two friends", "the last train", "a garden", "winter", "a lost letter"]


async def ask(draw, most):
    """One streamed answer: its tokens, and the seconds to the first of them."""
    body = json.dumps({
        "prompt": f"Once upon a time there was a story of {draw.choice(subjects)} and {draw.choice(subjects)}.", "max_tokens": most,
        "seed": draw.randrange(10**9), "stream": True, "stream_options": {"include_usage": True},
    }).encode()
    start = time.monotonic()
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        pieces, first = [], None
        while piece := await reader.read(65536):
            if first is None and b"data: " in piece:
                first = time.monotonic() - start
            pieces.append(piece)
    finally:
        writer.close()
    answer = b"".join(pieces)
    if not answer.startswith(b"HTTP/1.1 200 ") or b"data: [DONE]" not in answer or b'"error"' in answer:
        raise RuntimeError(answer[-300:].decode(errors="replace"))
    at = answer.rindex(b'"completion_tokens":') + len(b'"completion_tokens":')
    return int(answer[at : at + 12].split(b",")[0]), first


async def readers(count, duration, least, most):
    """`count` readers at a time, each with one question after another."""
    end = time.monotonic() + duration
    tokens, answers, firsts, errors = 0, 0, [], []

    async def one(number):
        nonlocal tokens, answers
        draw = random.Random(number)
        while time.monotonic() < end:
            try:
                written, first = await ask(draw, draw.randint(least, most))
            except (OSError, RuntimeError, ValueError) as error:
                errors.append(f"{type(error).__name__}: {error}")
                continue
            tokens += written
            answers += 1
            firsts.append(first)

    start = time.monotonic()
    await asyncio.gather(*[one(number) for number in range(count)])
    return tokens / (time.monotonic() - start), answers, sorted(firsts), errors


def private_memory():
    """MiB of the server's own memory, without mapped files."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1024


async def main():
    await readers(8, 3, 50, 200)  # warm-up: the cache's pages are touched for the first time
    speeds = {}
    # In turns, so that whatever else the machine does meets both.
    for _ in range(3):
        for count in (1, 8):
            speed, _, _, errors = await readers(count, 5, 200, 200)
            assert not errors, errors[0]
            speeds.setdefault(count, []).append(speed)
    one, eight = (sorted(speeds[count])[1] for count in (1, 8))
    print(f"1 stream {one:.0f} tokens/s, 8 streams {eight:.0f} tokens/s: {eight / one:.2f} times")

    memory = []

    async def watch():
        while True:
            memory.append(private_memory())
            await asyncio.sleep(1)

    watching = asyncio.create_task(watch())
    speed, answers, firsts, errors = await readers(64, seconds, 20, 200)
    watching.cancel()
    half = firsts[len(firsts) // 2]
    print(f"64 streams for {seconds:.0f} s: {answers} answers, {speed:.0f} tokens/s, first token after {half:.2f} s (half of them), "
          f"{firsts[-1]:.2f} s (all), {len(errors)} errors")
    settled = max(memory[: max(1, len(memory) // 4)])
    print(f"private memory: {settled:.1f} MiB in the first quarter, {max(memory):.1f} MiB at most, {memory[-1]:.1f} MiB at the end")
    if errors:
        sys.exit(f"an error: {errors[0]}")
    if max(memory) > settled * 1.05 + 4:
        sys.exit("memory grew")
    if eight < 3 * one:
        sys.exit("8 streams are not 3 times as fast as one")


asyncio.run(main())

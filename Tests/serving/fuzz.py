"""Broken requests, by the thousand: fuzz.py URL REQUESTS [SEED]. The server must stay, and every status must be one that a client has earned."""
import random
import socket
import sys
import time
import urllib.parse
import urllib.request

url = urllib.parse.urlparse(sys.argv[1])
requests = int(sys.argv[2])
seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
draw = random.Random(seed)
# 500 is missing: nothing that a client sends is the server's fault. 502 and 504 are proxies'.
earned = {100, 200, 204, 400, 401, 403, 404, 405, 408, 411, 413, 417, 431, 501, 503, 505}

bodies = [
    b'{"prompt": "Once", "max_tokens": 2}', b'{"prompt": [1, 2, 3], "max_tokens": 1, "stream": true, "logprobs": 2}',
    b'{"messages": [{"role": "user", "content": "hi"}], "max_tokens": 2, "stream": true, "stream_options": {"include_usage": true}}',
    b'{"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}], "max_tokens": 1, "n": 2, "stop": ["a", "b"], "seed": 1}',
]
words = [
    b"\x00", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b":", b"//", b"/..", b"%00", b"%2e%2e/", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80",
    b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Content-Length: 18446744073709551616\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: identity\r\n", b"Host: a\r\n", b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: websocket\r\n",
    b"Expect: 100-continue\r\n", b"Range: bytes=0-\r\n", b"A" * 5000, b"X: y\r\n" * 200, b"HTTP/1.0", b"HTTP/9.9", b"http://a/", b"*",
    b'"', b"{", b"[" * 300, b"}", b"\\ud800", b"1e999", b"-0", b"null", b'"n": 99999999999999999999,', b'"max_tokens": 0,', b'"model": "\\u0000",',
]
paths = [b"/", b"/health", b"/metrics", b"/v1/models", b"/v1/models/base", b"/v1/completions", b"/v1/chat/completions", b"/x?y#z"]


def whole():
    body = draw.choice(bodies)
    if draw.random() < 0.5:
        body = mangled(body)
    path = b"/v1/chat/completions" if b"messages" in body else b"/v1/completions"
    if draw.random() < 0.3:
        path = draw.choice(paths)
    method = b"POST" if draw.random() < 0.7 else draw.choice([b"GET", b"HEAD", b"OPTIONS", b"PUT", b"TRACE", b"PRI", b""])
    length = len(body) if draw.random() < 0.9 else draw.choice([0, 1, len(body) + 7, 10**9])
    return b"%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (method, path, length, body)


def mangled(data):
    data = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 4, 16])):
        at = draw.randrange(len(data) + 1)
        kind = draw.randrange(5)
        if kind == 0 and data:
            data[min(at, len(data) - 1)] = draw.randrange(256)
        elif kind == 1:
            data[at:at] = draw.choice(words)
        elif kind == 2:
            del data[at : at + draw.randrange(1, 20)]
        elif kind == 3:
            data[at:at] = data[at : at + draw.randrange(1, 40)]
        else:
            data[at : at + 4] = draw.choice(words)
    return bytes(data)


def payload():
    kind = draw.randrange(10)
    if kind == 0:
        return draw.randbytes(draw.randrange(1, 400))
    data = whole() if kind < 4 else mangled(whole())
    if kind == 4:
        data += draw.choice([whole, lambda: mangled(whole())])()
    if kind == 5:
        data = data[: draw.randrange(len(data) + 1)]
    return data


def one():
    """Sends it, in one piece or crumbs, and reads what comes until the connection ends or nothing comes for a moment; or leaves early."""
    data = payload()
    with socket.create_connection((url.hostname, url.port), timeout=10) as client:
        client.settimeout(0.1)
        try:
            pieces = draw.choice([1, 1, 1, 2, 5])
            for piece in range(pieces):
                client.sendall(data[len(data) * piece // pieces : len(data) * (piece + 1) // pieces])
        except (BrokenPipeError, ConnectionResetError, socket.timeout):
            pass
        end = draw.randrange(8)
        if end == 0:
            # Gone without a farewell: the kernel sends a reset.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            return data, b""
        if end < 4:
            client.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while piece := client.recv(65536):
                answer += piece
        except (socket.timeout, ConnectionResetError):
            pass
        return data, answer


def check_alive():
    with urllib.request.urlopen(f"http://{url.netloc}/health", timeout=30) as answer:
        assert answer.status == 200, answer.status


statuses = {}
start = time.time()
for number in range(requests):
    try:
        data, answer = one()
    except ConnectionRefusedError:
        sys.exit(f"seed {seed}, request {number}: the server is gone")
    except OSError:
        continue
    if answer:
        head = answer.split(b"\r\n", 1)[0].split(b" ")
        status = int(head[1]) if len(head) > 1 and head[1].isdigit() else 0
        statuses[status] = statuses.get(status, 0) + 1
        if head[0] != b"HTTP/1.1" or status not in earned:
            sys.exit(f"seed {seed}, request {number}: {data!r} was answered {answer[:200]!r}")
    if number % 100 == 0:
        check_alive()
check_alive()
print(f"{requests} broken requests in {time.time() - start:.0f} s, by status: {dict(sorted(statuses.items()))}")

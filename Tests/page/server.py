"""A server that speaks hoof's API as far as the chat page needs it, with answers that a test can foresee: what the last message begins
with decides (see `answer`). The page comes with the strictest Content-Security-Policy it has to work under."""
import base64, hashlib, json, re, socket, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BASE = "The old fisherman lived by the sea. Every morning he rowed out before the sun came up, and every evening he told the gulls what he had seen."
CUT = "The old fisherman lived by a small lake. Every morning he sat down in his boat, and the fish came to look at him."
UNICODE = "Grüße, naïve façade: 日本語のテスト, емоции, 👩‍👩‍👧 and 🦄; ½ ≤ ∞."
MARKDOWN = """# A heading

A paragraph with **bold**, *italic*, `inline code` and <b>no tags</b>.
Its second line.

- first
- second with **weight**
  1. inner one
  2. inner two
- third

```python
def hoof(n):
    return "<script>" * n  # not run
```

> A quotation.

| name | size |
|---|---|
| base | 1.2 |

2. two
3. three

<img src=x onerror="document.title='broken'"> [link](https://example.org/a) [bad](javascript:alert) 2*3*4 snake_case_name
"""
MODELS = [
    {"id": "talespin-cut", "object": "model", "hoof": {"parameters": 12_100_000, "bytes": 13_400_000, "layers": 5, "context_length": 1024,
     "base": False, "description": "talespin-15m without its fourth layer, healed for 300 steps"}},
    {"id": "talespin-15m", "object": "model", "hoof": {"parameters": 15_191_712, "bytes": 30_400_000, "layers": 6, "context_length": 1024,
     "base": True, "description": "A model of 15 million parameters that tells short stories"}},
]


def content_security_policy(page: str) -> str:
    def allowed(tag):
        inside = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.S)
        assert len(inside) == 1, f"the page has {len(inside)} <{tag}>, not one"
        return "'sha256-" + base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode() + "'"
    return (f"default-src 'none'; script-src {allowed('script')}; style-src {allowed('style')}; connect-src 'self'; img-src data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'")


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, request, address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a browser may leave whenever it likes
            super().handle_error(request, address)


class MockServer:
    def __init__(self, page_file, models=None, key=None, port=0):
        self.page_file, self.models, self.key = page_file, MODELS if models is None else models, key
        self.requests, self.left, self.tries, self.connections = [], 0, {}, set()
        self.http = QuietServer(("127.0.0.1", port), type("Handler", (Handler,), {"mock": self}))
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/"

    def close(self):
        self.http.shutdown()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it was closed already
        self.http.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    mock: MockServer

    def setup(self):
        super().setup()
        self.mock.connections.add(self.connection)

    def finish(self):
        self.mock.connections.discard(self.connection)
        super().finish()

    def log_message(self, *_):
        pass

    def reply(self, status, body, kind="application/json", **headers):
        body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def fail(self, status, message, code=None, **headers):
        self.reply(status, {"error": {"message": message, "type": "error", "code": code}}, **headers)

    def is_allowed(self):
        if self.mock.key in (None, (self.headers.get("Authorization") or "").removeprefix("Bearer ")):
            return True
        self.fail(401, "Wrong or missing API key.")
        return False

    def do_GET(self):
        if self.path == "/":
            page = open(self.mock.page_file, encoding="utf-8", newline="").read()
            self.reply(200, page, "text/html; charset=utf-8", Content_Security_Policy=content_security_policy(page))
        elif self.path == "/v1/models":
            if self.is_allowed():
                self.reply(200, {"object": "list", "data": self.mock.models})
        else:
            self.fail(404, f"There is no {self.path}.")

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.is_allowed():
            return
        self.mock.requests.append(request)
        prompt = request["messages"][-1]["content"].split("\n\n")[-1]
        tries = self.mock.tries[prompt] = self.mock.tries.get(prompt, 0) + 1
        if prompt.startswith("too long"):
            return self.fail(400, "The prompt has 2000 tokens, the context holds 1024.", "context_length_exceeded")
        if prompt.startswith("always busy") or (prompt.startswith("busy") and tries < 3):
            return self.fail(503, "All 4 slots are taken.", Retry_After="1")
        if prompt.startswith("fail"):
            return self.fail(500, "A tensor was lost.")
        if request["model"] not in [model["id"] for model in self.mock.models if isinstance(model, dict)]:
            return self.fail(404, "No such model.")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            self.answer(request, prompt)
        except (BrokenPipeError, ConnectionResetError):
            self.mock.left += 1
            self.close_connection = True

    def chunk(self, data: bytes):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def answer(self, request, prompt):
        words, number = prompt.replace(",", " ").split(), int((re.findall(r"\d+", prompt) or ["40"])[0])
        is_cut = request["model"].endswith("cut")
        text, pause, size, reason = CUT if is_cut else BASE, 0.012 if is_cut else 0.02, 0, "stop"
        if words[0] == "slow":
            text, pause = " ".join(f"word{index}" for index in range(number)), 0.05
        elif words[0] == "fast":
            line = "Some **bold** words stand here, then `code`, then more of them.\n"
            text, pause = "".join(f"- point {index}\n" if index % 7 == 3 else line + "\n" * (index % 5 == 4) for index in range(number // 12)), 0
        elif words[0] == "unicode":
            text, pause, size = UNICODE, 0, number
        elif words[0] == "markdown":
            text, pause = MARKDOWN, 0.001
        elif words[0] == "same":
            text, pause = BASE, 0.004
        elif words[0] == "length":
            reason = "length"
        tokens = re.findall(r"\s*\S+\s*?|\s+", text)
        end = "\r\n" if size else "\n"

        def event(value):
            data = f"data: {json.dumps(value, ensure_ascii=False)}{end}{end}".encode()
            for start in range(0, len(data), size or len(data)):
                self.chunk(data[start:start + (size or len(data))])
                if size:
                    time.sleep(0.0004)

        common = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": request["model"]}
        event({**common, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]})
        self.chunk(f": a comment{end}{end}".encode())
        tokens = tokens[:request.get("max_tokens") or len(tokens)]
        for index, token in enumerate(tokens):
            event({**common, "choices": [{"index": 0, "delta": {"content": token}, "finish_reason": None}]})
            time.sleep(pause)
            if words[0] == "break" and index == 5:
                self.close_connection = True
                return self.connection.close()
            if words[0] == "ends" and index == 5:
                return self.chunk(b"")
            if words[0] == "broken" and index == 5:
                return event({"error": {"message": "The device was lost.", "type": "server_error"}}) or self.chunk(b"")
        event({**common, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        if request.get("stream_options", {}).get("include_usage"):
            read = sum(len(message["content"].split()) for message in request["messages"])
            event({**common, "choices": [], "usage": {"prompt_tokens": read, "completion_tokens": len(tokens), "total_tokens": read + len(tokens)}})
        self.chunk(f"data: [DONE]{end}{end}".encode())
        self.chunk(b"")

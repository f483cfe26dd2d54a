"""Headless Chromium over its DevTools pipe, with the standard library alone: every check gets a profile of its own, and hands, eyes and
ears: real mouse and key events, screenshots, and all that the console, the network and the security policy had to say."""
import base64, fcntl, json, os, shutil, subprocess, tempfile, threading, time

KEYS = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowUp": 38, "ArrowDown": 40, "Home": 36, "End": 35, " ": 32, "/": 191}


def find_chromium(given=None):
    for name in [given] if given else ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]:
        if path := shutil.which(name):
            return path
    return None


class Browser:
    def __init__(self, path):
        self.folder = tempfile.mkdtemp(prefix="page-")
        to_read, self.to = os.pipe()
        self.answers, from_write = os.pipe()
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 50) for fd in (to_read, from_write)]
        self.process = subprocess.Popen(
            [path, "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self.folder}/profile", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-extensions", "--hide-scrollbars", "--force-color-profile=srgb", "--lang=en"],
            preexec_fn=lambda: (os.dup2(high[0], 3), os.dup2(high[1], 4)), pass_fds=(3, 4), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for fd in (to_read, from_write, *high):
            os.close(fd)
        self.number, self.replies, self.listeners, self.changed = 0, {}, {}, threading.Condition()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        rest = b""
        while data := os.read(self.answers, 1 << 20):
            *messages, rest = (rest + data).split(b"\0")
            for message in map(json.loads, messages):
                with self.changed:
                    if "id" in message:
                        self.replies[message["id"]] = message
                    elif message.get("sessionId") in self.listeners:
                        self.listeners[message["sessionId"]](message["method"], message["params"])
                    self.changed.notify_all()

    def call(self, method, session=None, timeout=60, **parameters):
        with self.changed:
            self.number += 1
            number = self.number
            message = {"id": number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
            os.write(self.to, json.dumps(message).encode() + b"\0")
            if not self.changed.wait_for(lambda: number in self.replies, timeout):
                raise TimeoutError(f"Chromium did not answer {method} within {timeout} s")
            reply = self.replies.pop(number)
        if "error" in reply:
            raise RuntimeError(f"{method}: {reply['error']['message']}")
        return reply["result"]

    def page(self, url, **options):
        return Page(self, url, **options)

    def close(self):
        try:
            self.call("Browser.close", timeout=5)
            self.process.wait(10)
        except Exception:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Page:
    def __init__(self, browser, url, width=1280, height=860, dark=False, touch=False):
        self.browser, self.url, self.complaints, self.requests, self.touch = browser, url, [], [], touch
        self.context = browser.call("Target.createBrowserContext")["browserContextId"]
        target = browser.call("Target.createTarget", url="about:blank", browserContextId=self.context)["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser.listeners[self.session] = self.hear
        for domain in ("Page", "Runtime", "Log", "Network", "Performance"):
            self.call(f"{domain}.enable")
        self.downloads = os.path.join(browser.folder, self.session)
        os.makedirs(self.downloads)
        browser.call("Browser.setDownloadBehavior", behavior="allow", browserContextId=self.context, downloadPath=self.downloads)
        self.resize(width, height)
        self.media(dark=dark)
        self.go()

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def hear(self, method, parameters):
        if method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.complaints.append("console: " + " ".join(str(one.get("value", one.get("description"))) for one in parameters["args"]))
        elif method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.complaints.append("exception: " + details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.complaints.append(f"{parameters['entry']['source']}: {parameters['entry']['text']}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])

    def go(self):
        self.call("Page.navigate", url=self.url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def reload(self):
        self.run("window.isOld = true")
        self.call("Page.reload")
        self.wait("document.readyState === 'complete' && !window.isOld")

    def resize(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=self.touch)

    def media(self, dark=False):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def run(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise AssertionError(f"{expression}: {result['exceptionDetails'].get('exception', {}).get('description')}")
        return result["result"].get("value")

    def wait(self, expression, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                value = self.run(expression)
                if value or value == {}:  # a node
                    return value
            except (AssertionError, RuntimeError):
                pass  # the page is just being loaded
            time.sleep(0.03)
        raise AssertionError(f"never true within {seconds} s: {expression}")

    def text(self, selector):
        return self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? null")

    def count(self, selector):
        return self.run(f"document.querySelectorAll({json.dumps(selector)}).length")

    def click(self, selector, unless=None):
        """Clicks the middle of it once nothing covers it; with `unless`, leaves it alone when that is true first."""
        box = self.wait(f"""(() => {{ if ({unless or "false"}) return "left"; const node = document.querySelector({json.dumps(selector)}); node.scrollIntoView({{ block: "nearest" }});
          const box = node.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
          return box.width > 0 && node.contains(document.elementFromPoint(x, y)) ? [x, y] : null; }})()""")
        if box == "left":
            return
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def press(self, key, shift=False):
        common = dict(key=key, code=key, windowsVirtualKeyCode=KEYS.get(key, 0), modifiers=8 if shift else 0)
        text = {"Enter": "\r", " ": " ", "/": "/"}.get(key)
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **common, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self):
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)

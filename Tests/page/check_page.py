#!/usr/bin/env python3
"""Drives the chat page (Sources/CServing/page.html) in headless Chromium, against a mock server, or with --url against a running
`hoof serve`. Needs Python 3.9 and a Chromium; says so and leaves with 0 when there is none (with 1 under --need-browser).

  Tests/page/check_page.py [--only WORD] [--screenshots FOLDER] [--page FILE] [--chromium PATH] [--need-browser]
  Tests/page/check_page.py --url http://127.0.0.1:8080/ [--key KEY]
"""
import argparse, os, sys, time, traceback, urllib.parse

sys.dont_write_bytecode = True
import checks_frame, checks_kept, checks_server, checks_talk
from browser import Browser, find_chromium
from server import MockServer

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../Sources/CServing/page.html")


class Setting:
    """What a check works with: pages of its own, and a mock server of its own unless a real one is named."""

    def __init__(self, browser, arguments):
        self.browser, self.arguments, self.pages, self.servers = browser, arguments, [], []
        self.url, self.is_real = arguments.url, bool(arguments.url)

    def server(self, **options):
        self.servers.append(MockServer(self.arguments.page, **options))
        self.url = self.servers[-1].url
        return self.servers[-1]

    def page(self, is_ready=True, **options):
        if not self.url:
            self.server()
        page = self.browser.page(self.url, **options)
        self.pages.append(page)
        if self.is_real and self.arguments.key:
            page.wait("document.querySelector('#ask').open")
            page.type(self.arguments.key)
            page.press("Enter")
        if self.is_real:  # short answers: conversations stay within the context of the smallest models; a seed: every run meets the same ones
            page.run('localStorage["hoof.settings"] = JSON.stringify({ system: "", sampling: { max_tokens: 120, seed: 1 } })')
            page.reload()
        if is_ready:
            page.wait("!document.querySelector('#model-a').textContent.includes('no model') && document.querySelector('#model-a').value")
        return page

    def finish(self, expected):
        """What holds for every check: nothing asked of anybody else, nothing against the policy, nothing in the console."""
        expected = (*expected, "401 (Unauthorized)") if self.arguments.key else expected
        origin = urllib.parse.urlsplit(self.url)._replace(path="/", query="").geturl()
        for page in self.pages:
            foreign = [one for one in page.requests if not one.startswith((origin, "data:", "blob:" + origin))]
            assert not foreign, f"asked of others: {foreign}"
            complaints = [one for one in page.complaints if not any(word in one for word in expected)]
            assert not complaints, f"the browser complains: {complaints}"

    def close(self):
        for one in self.pages + self.servers:
            one.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a running hoof serve instead of the mock server; checks that need foreseen answers are left out")
    parser.add_argument("--key", help="the API key of that server")
    parser.add_argument("--only", default="", help="checks whose name contains this")
    parser.add_argument("--screenshots", metavar="FOLDER", help="keep pictures of the page there, also of the moment a check fails")
    parser.add_argument("--page", default=PAGE, help="another page.html")
    parser.add_argument("--chromium", help="the browser")
    parser.add_argument("--need-browser", action="store_true", help="fail when there is no browser")
    arguments = parser.parse_args()
    chromium = find_chromium(arguments.chromium)
    if not chromium:
        print("skipped: no Chromium here, so the chat page is not tested; install it (apt-get install chromium) or name it with --chromium")
        return 1 if arguments.need_browser else 0
    if arguments.screenshots:
        os.makedirs(arguments.screenshots, exist_ok=True)
    checks = [one for module in (checks_talk, checks_kept, checks_frame, checks_server) for one in module.CHECKS
              if arguments.only in one.name and (one.works_on_any_server or not arguments.url)
              and (arguments.screenshots or not one.makes_pictures)]
    browser, failed = Browser(chromium), 0
    try:
        for check in checks:
            setting, start = Setting(browser, arguments), time.monotonic()
            try:
                note = check(setting)
                setting.finish(check.expects)
                print(f"ok    {check.name} ({time.monotonic() - start:.1f} s{', ' + note if note else ''})", flush=True)
            except Exception as error:
                failed += 1
                where = traceback.extract_tb(error.__traceback__)
                line = next((one for one in reversed(where) if "checks_" in one.filename), where[-1])
                print(f"FAIL  {check.name}: {error or type(error).__name__} ({os.path.basename(line.filename)}:{line.lineno}: {line.line})", flush=True)
                for number, page in enumerate(setting.pages if arguments.screenshots else []):
                    page.screenshot(os.path.join(arguments.screenshots, f"failed-{check.__name__}-{number}.png"))
            finally:
                setting.close()
    finally:
        browser.close()
    print(f"{len(checks) - failed} of {len(checks)} checks passed")
    return 1 if failed or not checks else 0


if __name__ == "__main__":
    sys.exit(main())

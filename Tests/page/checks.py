"""How a check is written down, and what most of them do to the page."""
import json


def registered(checks):
    """A decorator: @check("a sentence", …). `expects`: words of browser complaints that belong to the check."""
    def check(name, works_on_any_server=False, expects=(), makes_pictures=False):
        def add(function):
            function.name, function.works_on_any_server, function.expects, function.makes_pictures = name, works_on_any_server, expects, makes_pictures
            checks.append(function)
            return function
        return add
    return check


def equal(found, wanted):
    assert found == wanted, f"found {found!r}, wanted {wanted!r}"


def send(page, text):
    page.click("#prompt")
    page.type(text)
    page.press("Enter")


def is_done(answers=None):
    """JavaScript for: nothing is written any more, and there are so many answers."""
    return ("document.querySelector('#stop').hidden && !document.querySelector('.wait')" +
            (f" && document.querySelectorAll('.answer .below .tools').length === {answers}" if answers else ""))


def done(page, answers=None, seconds=60):
    page.wait(is_done(answers), seconds)


def say(page, text, answers=None):
    send(page, text)
    done(page, answers)


def single(page):
    """One model answers, whatever the page chose for the start."""
    if page.run("document.querySelector('#compare').getAttribute('aria-pressed') === 'true'"):
        page.click("#compare")
    page.wait("document.querySelector('#picker-b').hidden")
    return page


def answers(page):
    return page.run("[...document.querySelectorAll('.text-block')].map((node) => node.innerText)")


def prompts(page):
    return page.run("[...document.querySelectorAll('.asked .text')].map((node) => node.innerText)")


def select(page, selector, value):
    page.run(f"(() => {{ const node = document.querySelector({json.dumps(selector)}); node.value = {json.dumps(value)}; node.dispatchEvent(new Event('change')); }})()")


def put(page, selector, text):
    """Types into a field in place of what is there."""
    page.click(selector)
    page.run(f"document.querySelector({json.dumps(selector)}).select()")
    page.type(text)

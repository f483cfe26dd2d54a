"""What the browser keeps: conversations over a reload, in files, in two tabs."""
import glob, json, os, time

from checks import answers, equal, prompts, registered, say, send, single
from server import BASE

CHECKS = []
check = registered(CHECKS)
STORY = "Once upon a time"


@check("conversations are kept over a reload, renamed, deleted, and come back", works_on_any_server=True)
def keeping(setting):
    page = single(setting.page())
    say(page, STORY, 1)
    page.click("#new")
    page.wait("document.querySelector('.hello')")
    say(page, "A second talk", 1)
    text = answers(page)
    page.reload()
    page.wait("document.querySelectorAll('.turn').length === 1 && document.querySelector('#model-a').value")
    equal((answers(page), prompts(page)), (text, ["A second talk"]))
    equal(page.run("[...document.querySelectorAll('#list .open')].map((node) => node.innerText)"), ["A second talk", STORY])
    page.click("#list .chat:nth-of-type(2) .open")
    page.wait(f"document.querySelector('.asked .text').innerText === '{STORY}'")
    page.click("#list .current .more")
    page.click("#list .acts .tool:nth-child(1)")
    page.wait("document.activeElement.matches('#list input')")
    page.type("The fisherman")
    page.press("Enter")
    page.wait("document.querySelector('#list .current .open').innerText === 'The fisherman' && document.title === 'The fisherman · hoof'")
    page.click("#list .current .more")
    page.click("#list .acts .tool:nth-child(3)")
    page.wait("document.querySelectorAll('#list .chat').length === 1 && document.querySelector('.hello')")
    page.click("#toast .link")
    page.wait("document.querySelectorAll('#list .chat').length === 2 && document.querySelectorAll('.turn').length === 1")
    page.reload()
    page.wait("[...document.querySelectorAll('#list .open')].map((node) => node.innerText).includes('The fisherman')")


@check("an answer that a reload interrupts is kept as far as it came")
def interrupted(setting):
    page = single(setting.page())
    send(page, "slow 300")
    page.wait("document.querySelector('.text-block')?.innerText.includes('word9')")
    page.reload()
    page.wait("document.querySelector('.below')?.innerText.includes('broke off when the page was closed')")
    assert "word9" in answers(page)[0]


@check("conversations leave as a file and come in elsewhere; other files are refused")
def files(setting):
    page = single(setting.page())
    say(page, STORY, 1)
    page.click("#export")
    end, found = time.monotonic() + 10, []
    while not found and time.monotonic() < end:
        found = glob.glob(os.path.join(page.downloads, "hoof-conversations-*.json"))
        time.sleep(0.05)
    with open(found[0], encoding="utf-8") as file:
        content = json.load(file)
    equal([turn["prompt"] for turn in content["conversations"][0]["turns"]], [STORY])
    bad = os.path.join(page.downloads, "bad.json")
    with open(bad, "w", encoding="utf-8") as file:
        file.write('{"hoof_conversations": 1, "conversations": [null, {"id": "x"}, {"turns": []}]}')
    other = setting.page()

    def give(path):
        root = other.call("DOM.getDocument")["root"]["nodeId"]
        node = other.call("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
        other.call("DOM.setFileInputFiles", files=[path], nodeId=node)
    give(found[0])
    other.wait("document.querySelector('#toast').innerText.includes('Added 1 conversation.')")
    other.click("#list .open")
    other.wait("document.querySelectorAll('.turn').length === 1")
    equal(answers(other), [BASE])
    give(found[0])
    other.wait("document.querySelector('#toast').innerText.includes('Nothing new in this file.')")
    give(bad)
    other.wait("document.querySelector('#toast').innerText.includes('3 entries could not be read')")
    give(__file__)
    other.wait("document.querySelector('#toast').innerText.includes('not a file of conversations')")
    equal(other.count("#list .chat"), 1)


@check("two tabs show the same conversations", works_on_any_server=True)
def tabs(setting):
    page = single(setting.page())
    target = page.browser.call("Target.createTarget", url=page.url, browserContextId=page.context, background=True)["targetId"]
    session = page.browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    read = lambda expression: page.browser.call("Runtime.evaluate", session, expression=expression, returnByValue=True)["result"].get("value")
    look = lambda: read("[...document.querySelectorAll('#list .open')].map((node) => node.textContent).join()")
    end = time.monotonic() + 20
    while not read("document.readyState === 'complete' && location.protocol === 'http:'") and time.monotonic() < end:
        time.sleep(0.05)
    equal(look(), "")
    say(page, STORY, 1)
    end = time.monotonic() + 10
    while look() != STORY and time.monotonic() < end:
        time.sleep(0.05)
    equal(look(), STORY)

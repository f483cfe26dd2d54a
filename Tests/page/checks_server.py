"""The server's side: keys, errors in plain English, hostile contents of the browser's storage."""
from checks import answers, done, equal, registered, say, send, single
from server import BASE, CUT, MODELS, MockServer

CHECKS = []
check = registered(CHECKS)
LOADING = ("Failed to load resource",)


@check("a key is asked for once, again when it is wrong, and kept for the tab", expects=LOADING)
def key(setting):
    setting.server(key="secret")
    page = setting.page(is_ready=False)
    for text in ("wrong", "secret"):
        page.wait("document.querySelector('#ask').open")
        page.wait("document.activeElement.id === 'key'")
        page.type(text)
        page.press("Enter")
        if text == "wrong":
            page.wait("document.querySelector('#ask-why').innerText.includes('did not accept')")
    page.wait("document.querySelector('#model-a').value === 'talespin-15m'")
    say(page, "Tell me", 2)
    equal(answers(page)[0], BASE)
    page.reload()
    page.wait("document.querySelectorAll('.answer').length === 2 && document.querySelector('#model-a').value === 'talespin-15m'")
    equal(page.run("document.querySelector('#ask').open"), False)
    equal(page.run("localStorage['hoof.key']"), None)
    setting.servers[0].key = "changed"
    send(page, "Tell me more")
    page.wait("document.querySelector('#ask').open")
    page.press("Escape")
    done(page, 4)
    equal(page.count(".trouble"), 2)
    assert "wants an API key" in page.text(".trouble")


@check("what the server refuses is said in plain English, and can be tried again", expects=LOADING + ("ERR_INCOMPLETE_CHUNKED_ENCODING",))
def errors(setting):
    page = single(setting.page())
    wanted = [
        ("too long", "The conversation is longer than this model can read.", "The prompt has 2000 tokens, the context holds 1024."),
        ("fail", "The server could not go on.", "A tensor was lost."),
        ("break", "The connection broke off before the answer was complete. What arrived is kept.", ""),
        ("ends too soon", "The connection broke off before the answer was complete. What arrived is kept.", ""),
        ("broken", "The server could not go on.", "The device was lost."),
        ("always busy", "The server is busy with other answers. Try again in a moment.", "All 4 slots are taken."),
    ]
    for number, (prompt, plain, quoted) in enumerate(wanted, 1):
        say(page, prompt, number)
        said = page.run(f"document.querySelectorAll('.turn')[{number - 1}].querySelector('.trouble span').innerText")
        assert plain in said and quoted in said, said
        assert said in page.text("#announce") or plain in page.text("#announce"), "screen readers were told nothing"
    equal([bool(one) for one in answers(page)], [False, False, True, True, True, False])
    equal(setting.servers[0].tries["always busy"], 5)
    send(page, "busy")
    page.wait("document.querySelector('#talk').innerText.includes('Trying again in 1 second.')")
    done(page, 7)
    equal(answers(page)[-1], BASE)
    say(page, "once more, please", 8)
    before = page.count(".turn")
    page.click(".turn:nth-child(2) .trouble .link")
    page.wait(f"document.querySelectorAll('.turn').length < {before}")
    done(page, 2)
    page.click("#new")
    page.wait("document.querySelector('.hello')")
    setting.servers[0].models = MODELS[:1]
    say(page, "Where are you?", 1)
    assert "does not have this model" in page.text(".trouble")
    page.wait("document.querySelector('#model-a').value === 'talespin-cut'")


@check("two answers that failed are tried again together", expects=LOADING)
def both(setting):
    setting.server()
    page = setting.page()
    send(page, "always busy")
    page.wait("document.querySelector('#talk').innerText.includes('Trying again')")
    page.press("Escape")
    done(page, 2)
    equal(page.run("document.querySelector('.below').innerText.includes('stopped by you')"), True)
    setting.servers[0].models = []
    say(page, "Where are you?", 4)
    equal(page.count(".trouble"), 2)
    setting.servers[0].models = MODELS
    page.click("#banner .link") if page.run("!document.querySelector('#banner .link').hidden && !document.querySelector('#banner').hidden") else page.reload()
    page.wait("document.querySelector('#model-a').value === 'talespin-15m'")
    page.click(".trouble .link")
    done(page, 4)
    equal((page.count(".trouble"), page.count(".asked .count")), (0, 0))
    equal(answers(page)[-2:], [BASE, CUT])


@check("an answer that reached its limit says so")
def limits(setting):
    page = single(setting.page())
    say(page, "length", 1)
    assert "ended because the context is full" in page.text(".below")


@check("a server that goes away is told from one that is slow, and is found again", expects=LOADING)
def away(setting):
    page = single(setting.page())
    say(page, "Tell me", 1)
    server = setting.servers[0]
    port = server.http.server_port
    server.close()
    say(page, "Are you there?", 2)
    assert "The server does not answer." in page.text(".trouble")
    page.wait("document.querySelector('#banner').innerText.includes('does not answer')")
    setting.servers[0] = MockServer(setting.arguments.page, port=port)
    page.wait("document.querySelector('#banner').hidden", 15)
    page.click(".trouble .link")
    done(page, 2)
    equal(answers(page)[-1], BASE)
    equal(page.count(".asked .count"), 0)  # what held nothing was not kept beside it


@check("a server without models, and one that is none", expects=LOADING)
def strange(setting):
    setting.server(models=[])
    page = setting.page(is_ready=False)
    page.wait("document.querySelector('#banner').innerText.includes('has no model')")
    setting.servers[0].models = "nonsense"
    page.reload()
    page.wait("document.querySelector('#banner').innerText.includes('not a hoof server')")
    equal(page.run("document.querySelector('#send').disabled"), True)
    setting.servers[0].models = [{"id": "plain"}, {"id": 7}, None, {"id": "<b>bold</b>", "hoof": {"parameters": "many", "base": 1}}]
    page.reload()
    page.wait("document.querySelectorAll('#model-a option').length === 2")
    say(page, "Hello", 1)
    equal(answers(page), [BASE])


@check("whatever lies in the browser's storage, the page opens")
def storage(setting):
    page = single(setting.page())
    say(page, "Tell me", 1)
    page.run("""(() => {
      const key = Object.keys(localStorage).find((key) => key.startsWith("hoof.chat.")), good = JSON.parse(localStorage[key]);
      const bad = [null, 3, "[", {}, [], { ...good, turns: 3 }, { ...good, turns: [null] }, { ...good, id: "../x" }, { ...good, title: { a: 1 }, sampling: "x", shown: 7 },
        { ...good, turns: [{ ...good.turns[0], parent: good.turns[0].id }] }, { ...good, turns: [{ ...good.turns[0], answers: [null, 7, { text: 9 }] }] }];
      bad.forEach((value, index) => { const id = String(index).padStart(16, "0");
        localStorage["hoof.chat." + id] = JSON.stringify(value && typeof value === "object" && !Array.isArray(value) && value.id === good.id ? { ...value, id } : value); });
      localStorage["hoof.chat.broken"] = "{"; localStorage["hoof.settings"] = '{"system": 5, "sampling": {"temperature": "hot", "top_k": 1.5}}';
      localStorage["hoof.columns"] = '{"a": 1}'; localStorage["hoof.theme"] = "<b>";
    })()""")
    page.reload()
    page.wait("document.querySelector('#model-a').value && document.querySelectorAll('.turn').length === 1")
    equal(answers(page), [BASE])
    equal(page.count("#list .chat"), 3)
    for number in range(3):
        page.run(f"document.querySelectorAll('#list .open')[{number}].click()")
    page.click("#new")
    say(page, "Tell me", 2)
    assert "temperature" not in setting.servers[0].requests[-1]

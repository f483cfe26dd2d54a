"""Talking: streams, stopping, changing, repeating, two models side by side, Markdown."""
import json, time

from checks import answers, done, equal, is_done, prompts, put, registered, say, send, single
from server import BASE, CUT, UNICODE

CHECKS = []
check = registered(CHECKS)
STORY = "Once upon a time there was a"


@check("an answer streams in, and its numbers are said", works_on_any_server=True)
def streaming(setting):
    page = single(setting.page())
    # Counted in the page: on a busy machine the browser may be asked once for all of it.
    page.run("""(window.lengths = new Set(), new MutationObserver(() => lengths.add(document.querySelector('.text-block')?.innerText.length))
      .observe(document.body, {subtree: true, childList: true, characterData: true}))""")
    send(page, STORY)
    done(page, 1)
    steps = page.run("lengths.size")
    assert steps >= 4 or setting.is_real, f"the text came in {steps} steps"
    speed = " · [\\d.\\u202f]+ tokens\\/s"  # all of a short answer in one piece has none
    page.wait(f"/^\\d+ tokens{f'({speed})?' if setting.is_real else speed} · first after [\\d.]+ s/.test(document.querySelector('.below').innerText.trim())")
    assert answers(page)[0].strip()
    if setting.is_real:
        return page.text(".below").strip()
    equal(answers(page), [BASE])
    equal(page.text(".below").split(" · ")[0].strip(), "28 tokens")
    equal(page.text("#room"), "35 of 1\u202f024 tokens of context")
    assert BASE in page.text("#announce"), "screen readers were told nothing"
    request = setting.servers[0].requests[0]
    equal(request["messages"], [{"role": "user", "content": STORY}])
    equal((request["stream"], request["stream_options"], request["model"]), (True, {"include_usage": True}, "talespin-15m"))
    assert "temperature" not in request, "an empty setting was sent"


@check("pieces of the stream may end anywhere, inside a character too")
def unicode(setting):
    page = single(setting.page())
    for number, size in enumerate((1, 2, 3, 5, 7), 1):
        say(page, f"unicode in pieces of {size} bytes", number)
    equal(answers(page), [UNICODE] * 5)


@check("Markdown becomes nodes, the same while it streams and afterwards, and nothing in it runs")
def markdown(setting):
    page = single(setting.page())
    say(page, "markdown, please", 1)
    made = page.run("document.querySelector('.text-block').innerHTML")
    equal(page.run("[...document.querySelector('.text-block').children].map((node) => node.className || node.tagName).join(' ')"),
          "H3 P UL code BLOCKQUOTE table OL P")
    equal(page.text(".text-block strong"), "bold")
    equal(page.text(".text-block em"), "italic")
    equal(page.text(".text-block p code"), "inline code")
    equal(page.run("document.querySelectorAll('.text-block > ul > li').length"), 3)
    equal(page.run("[...document.querySelectorAll('.text-block > ul ol li')].map((node) => node.innerText)"), ["inner one", "inner two"])
    equal(page.run("document.querySelector('.text-block > ol > li').value"), 2)
    equal(page.text(".code pre"), 'def hoof(n):\n    return "<script>" * n  # not run')
    equal(page.run("[...document.querySelectorAll('.text-block td')].map((node) => node.innerText)"), ["base", "1.2"])
    last = page.run("document.querySelector('.text-block').lastElementChild.textContent")
    equal(last, "<img src=x onerror=\"document.title='broken'\"> link [bad](javascript:alert) 2*3*4 snake_case_name")
    equal(page.run("[...document.querySelectorAll('.text-block a')].map((node) => [node.href, node.rel])"), [["https://example.org/a", "noopener noreferrer"]])
    equal(page.count(".text-block img, .text-block script, .text-block b"), 0)
    page.run("""window.copied = null; Object.defineProperty(navigator, "clipboard", { value: { writeText: async (text) => { window.copied = text; } } })""")
    page.click(".code .tool")
    equal(page.wait("window.copied"), 'def hoof(n):\n    return "<script>" * n  # not run')
    page.click(".below .tool")
    page.wait("window.copied.startsWith('# A heading')")
    page.reload()
    page.wait("document.querySelector('.text-block')")
    equal(page.run("document.querySelector('.text-block').innerHTML"), made)
    equal(page.run("document.title"), "markdown, please · hoof")


@check("hostile Markdown is shown as fast as any other of its length")
def hostile(setting):
    page = single(setting.page())
    say(page, STORY, 1)
    for text in ("*a " * 100000, "[" * 30000, "`" * 20001 + "a", "> " * 10000, "**" * 20000, "- " * 10000, "|" * 20000 + "\n|-|", "_" * 30000, "\\" * 30001,
                 "http://" * 5000, "  " * 9000 + "- a\n" * 500, "a\u0000b\ud800", "1. " * 9000, "```" + "`" * 9000 + "\n" * 9000):
        page.run(f"""(() => {{ for (const key of Object.keys(localStorage)) if (key.startsWith("hoof.chat.")) {{
          const chat = JSON.parse(localStorage[key]); chat.turns[0].answers[0].text = {json.dumps(text)}; localStorage[key] = JSON.stringify(chat); }} }})()""")
        page.reload()
        page.wait("document.querySelector('.text-block')")
        taken = page.run("performance.now() - performance.getEntriesByType('navigation')[0].domInteractive")
        assert taken < 5000, f"{text[:12]!r}… took {taken:.0f} ms"


@check("Escape and the button stop an answer; what was written stays, and the server hears of it", works_on_any_server=True)
def stopping(setting):
    page = single(setting.page())
    stopped = 0
    # A real model may have said everything before a hand is at the button: then there is nothing to stop, and the next way is tried.
    for number, way in enumerate((lambda over: page.press("Escape"), lambda over: page.click("#stop", unless=over)), 1):
        send(page, "slow 400" if not setting.is_real else "Tell me a very long story.")
        over = is_done(number) if setting.is_real else "false"
        page.wait(f"document.querySelectorAll('.text-block')[{number - 1}]?.innerText.length > 10 || {over}")
        way(over)
        done(page, number)
        stopped += "stopped by you" in page.run(f"document.querySelectorAll('.below')[{number - 1}].innerText")
        text = answers(page)[number - 1]
        time.sleep(0.3)
        equal(answers(page)[number - 1], text)
    if setting.is_real:
        return f"{stopped} of 2 were still being written"
    equal(stopped, 2)
    page.wait("true")
    end = time.monotonic() + 5
    while setting.servers[0].left < 2 and time.monotonic() < end:
        time.sleep(0.05)
    equal(setting.servers[0].left, 2)
    page.reload()
    page.wait("document.querySelectorAll('.turn').length === 2")
    equal(answers(page)[1], text)


@check("an answer is written again, and the earlier one is still there", works_on_any_server=True)
def retrying(setting):
    page = single(setting.page())
    say(page, STORY, 1)
    first = answers(page)
    page.click("[data-act=retry]")
    page.wait("document.querySelector('.asked .count')?.innerText === '2/2'")
    done(page, 1)
    assert answers(page)[0].strip()
    page.click("[aria-label='Earlier version']")
    page.wait("document.querySelector('.asked .count')?.innerText === '1/2'")
    equal(answers(page), first)
    page.reload()
    page.wait("document.querySelector('.asked .count')?.innerText === '1/2'")
    equal(answers(page), first)


@check("any turn is changed: what follows is asked anew, the old way is kept", works_on_any_server=True)
def changing(setting):
    page = single(setting.page())
    say(page, "The dog said", 1)
    say(page, "The cat said", 2)
    page.click("[data-act=edit]")
    put(page, ".edit textarea", "The bird said")
    page.press("Enter")
    page.wait("document.querySelectorAll('.turn').length === 1")
    done(page, 1)
    equal(prompts(page), ["The bird said"])
    say(page, "And then?", 2)
    page.click("[aria-label='Earlier version']")
    page.wait("document.querySelectorAll('.turn').length === 2")
    equal(prompts(page), ["The dog said", "The cat said"])
    page.click("[aria-label='Later version']")
    page.wait("document.querySelector('.text')?.innerText === 'The bird said'")
    page.click(".turn [aria-label='Change this answer']")
    put(page, ".edit textarea", "Tweet, said the bird.")
    page.click(".edit .main")
    page.wait("document.querySelectorAll('.turn').length === 1 && document.querySelector('.below').innerText.includes('changed by you')")
    say(page, "What did it say?", 2)
    page.press("ArrowUp")
    page.wait("document.querySelector('.edit textarea')?.value === 'What did it say?'")
    page.press("Escape")
    page.wait("!document.querySelector('.edit') && document.activeElement.id === 'prompt'")
    if not setting.is_real:
        equal([[one["content"] for one in request["messages"]] for request in setting.servers[0].requests],
              [["The dog said"], ["The dog said", BASE, "The cat said"], ["The bird said"], ["The bird said", BASE, "And then?"],
               ["The bird said", "Tweet, said the bird.", "What did it say?"]])


@check("two models answer side by side, at once, and the page says where they part")
def pair(setting):
    page = setting.page()
    equal(page.run("['a', 'b'].map((name) => document.querySelector('#model-' + name).value)"), ["talespin-15m", "talespin-cut"])
    assert "−20 %" in page.text(".facts")
    send(page, "Tell me about the fisherman")
    page.wait("[...document.querySelectorAll('.text-block')].filter((node) => node.innerText.length > 0).length === 2 && !document.querySelector('#stop').hidden")
    page.wait("[...document.querySelectorAll('.who .live')].every((node) => /\\d tokens · .* tokens\\/s/.test(node.innerText))")
    done(page, 2)
    equal(answers(page), [BASE, CUT])
    columns = page.run("[...document.querySelectorAll('.answer')].map((node) => node.getBoundingClientRect()).map((box) => [box.x, box.width, box.y])")
    assert columns[1][0] > columns[0][0] + columns[0][1] and columns[0][2] == columns[1][2], f"not side by side: {columns}"
    equal([one.split(" · ")[0] for one in page.run("[...document.querySelectorAll('.who .live')].map((node) => node.innerText)")], ["28 tokens", "24 tokens"])
    said = page.text(".parting span")
    wanted = "The same for 5 words, then talespin-15m writes the sea. Every morning, talespin-cut a small lake. Every. At the same time, "
    assert said.startswith(wanted), said
    one, other = page.run("[...document.querySelectorAll('.who .live')].map((node) => Number(node.innerText.split(' · ')[1].split(' ')[0]))")
    assert ("equally fast" in said) if 0.96 < other / one < 1.04 else f"talespin-{'cut' if other > one else '15m'} was" in said, (said, one, other)
    equal(page.run("[...CSS.highlights.get('parting')].map(String)"), ["the", "a"])
    page.click(".parting .button")
    page.wait("CSS.highlights.get('same').size === 2")
    equal(page.run("[...CSS.highlights.get('same')].map(String)"), ["The old fisherman lived by "] * 2)
    page.click(".answer.b [data-act=retry]")
    page.wait("document.querySelector('.asked .count')?.innerText === '2/2'")
    done(page, 2)
    asked = [request["model"] for request in setting.servers[0].requests]
    equal(sorted(asked[:2]) + asked[2:], ["talespin-15m", "talespin-cut", "talespin-cut"])
    say(page, "same, please", 4)
    equal(page.run("document.querySelectorAll('.parting span')[1].innerText"), "The two answers are the same, word for word.")
    for request in setting.servers[0].requests[-2:]:
        equal(request["messages"][1]["content"], CUT if request["model"] == "talespin-cut" else BASE)
    page.reload()
    page.wait("document.querySelectorAll('.answer').length === 4 && CSS.highlights.get('parting').size === 2")
    page.click("#compare")
    say(page, "same alone", 5)
    equal(setting.servers[0].requests[-1]["model"], "talespin-15m")


@check("two models of a running server answer side by side", works_on_any_server=True)
def real_pair(setting):
    page = setting.page()
    if page.run("document.querySelector('#model-a').options.length") < 2:
        return "left out: this server has one model"
    if page.run("document.querySelector('#picker-b').hidden"):
        page.click("#compare")
    page.click("#sampled .link")
    page.wait("document.querySelector('#sampled').innerText === 'temperature 0'" + (" || document.querySelector('#sampled').innerText.includes('120')" if setting.is_real else ""))
    say(page, STORY, 2)
    equal(page.count(".trouble"), 0)
    assert any(one.strip() for one in answers(page)), "both models wrote nothing"
    page.wait("!document.querySelector('.parting').hidden || document.querySelector('.answer .note')")
    return page.text(".parting span") or "one of the models wrote nothing"


@check("ten thousand tokens stay smooth, and the end stays in view unless one scrolls up")
def long_answer(setting):
    page = single(setting.page())
    page.run("""window.gaps = []; let last = performance.now();
      (function frame() { const now = performance.now(); window.gaps.push(now - last); last = now; requestAnimationFrame(frame); })()""")
    measure = lambda: {one["name"]: one["value"] for one in page.call("Performance.getMetrics")["metrics"]}
    before, start = measure(), time.monotonic()
    send(page, "fast 12500")
    done(page, 1, 60)
    taken, after = time.monotonic() - start, measure()
    tokens = int(page.text(".below").split(" token")[0].replace("\u202f", ""))
    assert tokens >= 10000, tokens
    busy = after["TaskDuration"] - before["TaskDuration"]
    gaps = sorted(page.run("window.gaps"))
    assert page.run("document.querySelector('#scroll').scrollHeight - document.querySelector('#scroll').scrollTop - document.querySelector('#scroll').clientHeight") < 3
    assert busy < 12, f"{busy:.1f} s of work"
    assert gaps[-1] < 1000, f"the page stood still for {gaps[-1]:.0f} ms"
    send(page, "slow 60")
    page.wait("document.querySelectorAll('.text-block')[1]?.innerText.length > 5")
    page.call("Input.dispatchMouseEvent", type="mouseWheel", x=700, y=400, deltaX=0, deltaY=-2000)
    page.wait("!document.querySelector('#newest').hidden")
    top = page.run("document.querySelector('#scroll').scrollTop")
    time.sleep(0.4)
    assert abs(page.run("document.querySelector('#scroll').scrollTop") - top) < 5, "the page scrolled by itself"
    page.click("#newest")
    page.wait("document.querySelector('#newest').hidden")
    page.press("Escape")
    done(page, 2)
    return f"{tokens} tokens in {taken:.1f} s, {busy:.1f} s of work, longest pause {gaps[-1]:.0f} ms, 99 % below {gaps[int(len(gaps) * 0.99)]:.0f} ms"

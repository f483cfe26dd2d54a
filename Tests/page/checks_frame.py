"""What surrounds the talk: settings, colours, narrow screens, the keyboard alone."""
import os, time

from checks import done, equal, prompts, put, registered, say, single

CHECKS = []
check = registered(CHECKS)
STORY = "Once upon a time"


def leave_settings(page):
    page.press("Escape")
    page.wait("!document.querySelector('#settings').open && document.activeElement.id === 'tune'")


@check("settings reach the request, stay, and wrong ones are refused")
def settings(setting):
    page = single(setting.page())
    page.click("#tune")
    page.wait("document.querySelector('#settings').open")
    put(page, "#system", "You are a gull.")
    wanted = {"temperature": 0.7, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "repetition_penalty": 1.1, "max_tokens": 12, "seed": 7}
    for name, value in wanted.items():
        put(page, f"#set-{name}", str(value).replace(".", "," if name == "top_p" else "."))
    for name, value in [("temperature", "-1"), ("temperature", "hot"), ("top_p", "2"), ("top_k", "1.5"), ("seed", "1e99")]:
        put(page, f"#set-{name}", value)
        equal(page.run(f"document.querySelector('#set-{name}').getAttribute('aria-invalid')"), "true")
    leave_settings(page)
    # Whoever goes on to write before the page has heard of the dialog's end keeps the keyboard.
    page.run("document.querySelector('#tune').click(); document.querySelector('#settings').close(); document.querySelector('#prompt').focus()")
    page.run("new Promise((go) => setTimeout(go, 100))")
    equal(page.run("document.activeElement.id"), "prompt")
    page.reload()
    page.wait("document.querySelector('#model-a').value")
    single(page)
    say(page, STORY, 1)
    request = setting.servers[0].requests[0]
    equal({name: request.get(name) for name in wanted}, wanted)
    equal(request["messages"][0], {"role": "system", "content": "You are a gull."})
    assert "ended" not in page.text(".below") and page.text(".below").split(" token")[0].strip() == "12", page.text(".below")
    assert "You are a gull." in page.text(".note")
    page.click("#tune")
    page.click("#greedy")
    leave_settings(page)
    say(page, "length", 2)
    request = setting.servers[0].requests[1]
    equal({name: request[name] for name in wanted if name in request}, {"temperature": 0, "max_tokens": 12})
    assert "ended at the limit of 12 tokens" in page.run("document.querySelectorAll('.below')[1].innerText")
    page.click("#new")
    page.click("#tune")
    page.click("#plain")
    leave_settings(page)
    say(page, STORY, 1)
    equal([name for name in wanted if name in setting.servers[0].requests[2]], [])


CONTRAST = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return canvas.getImageData(0, 0, 1, 1).data; };
  const light = (color) => [...rgb(color)].slice(0, 3).map((value) => value / 255).map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = (node) => { for (; node; node = node.parentElement) { const color = getComputedStyle(node).backgroundColor; if (rgb(color)[3] === 255) return color; } return "white"; };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    if (![...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()) || !node.checkVisibility() || node.closest(":disabled, .hidden, .skip, #toast[hidden]")) continue;
    const [a, b] = [light(getComputedStyle(node).color), light(ground(node))].sort((one, other) => other - one);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(node.className + " " + node.textContent.slice(0, 20) + " " + ((a + 0.05) / (b + 0.05)).toFixed(2));
  }
  return poor; })()"""


@check("dark and light: the system's, or what is chosen; both can be read", works_on_any_server=True)
def colours(setting):
    page = setting.page()
    ground = lambda: page.run("getComputedStyle(document.body).backgroundColor")
    light = ground()
    say(page, "markdown")
    equal(page.run(CONTRAST), [])
    page.media(dark=True)
    page.wait(f"getComputedStyle(document.body).backgroundColor !== '{light}'")
    dark = ground()
    equal(page.run(CONTRAST), [])
    page.click("[data-theme-choice=light]")
    equal(ground(), light)
    page.reload()
    equal(ground(), light)
    page.media(dark=False)
    page.click("[data-theme-choice=dark]")
    equal(ground(), dark)
    page.click("[data-theme-choice=auto]")
    equal(ground(), light)
    page.click("#tune")
    equal(page.run(CONTRAST), [])


@check("no screen from 320 to 2560 pixels scrolls sideways or loses a control", works_on_any_server=True)
def widths(setting):
    page = setting.page(width=360, height=740, touch=True)

    def fits(where):
        width, overflowing = page.run("""[document.documentElement.clientWidth, [...document.querySelectorAll("body *")].filter((node) => {
          const box = node.getBoundingClientRect();
          return node.checkVisibility({ visibilityProperty: true }) && !node.closest(".hidden, .skip, pre, .table, .sprite, #list .open") && box.width > 0
            && (box.right > innerWidth + 1 || box.left < -1);
        }).map((node) => node.tagName + "." + node.className + "#" + node.id)]""")
        equal(overflowing, [])
        assert page.run("document.documentElement.scrollWidth <= innerWidth && document.querySelector('#scroll').scrollWidth <= document.querySelector('#scroll').clientWidth"), \
            f"{where} is wider than {width}"
    fits("the start")
    say(page, "markdown " + "verylongword" * 12)
    say(page, "A dog")
    for width in (320, 360, 412, 700, 880, 1100, 1280, 2560):
        page.resize(width, 740)
        time.sleep(0.25)
        fits(f"the talk at {width}")
        page.click("#tune")
        fits(f"the settings at {width}")
        page.click("#settings-close")
        page.wait("!document.querySelector('#settings').open")
    page.resize(360, 740)
    page.wait("getComputedStyle(document.querySelector('#side')).visibility === 'hidden'")
    page.click("#menu")
    page.wait("document.activeElement.id === 'shut' && document.querySelector('#side').getBoundingClientRect().left === 0")
    fits("the list")
    page.click("#list .more")
    fits("the list's entry")
    page.click("#new")
    page.wait("document.querySelector('.hello') && !document.body.classList.contains('drawer')")
    sizes = page.run("""[...document.querySelectorAll("button, select, input, textarea")].filter((node) => node.checkVisibility({ visibilityProperty: true }) && !node.matches(".link"))
      .map((node) => [node.id || node.className, node.getBoundingClientRect()]).filter(([, box]) => box.width < 30 || box.height < 30).map(([name]) => name)""")
    equal(sizes, [])


@check("everything is reached and done by the keyboard alone, and one sees where one is", works_on_any_server=True)
def keyboard(setting):
    page = single(setting.page())
    page.click("#talk")
    page.run("document.activeElement.blur()")
    page.reload()
    page.wait("document.querySelector('#model-a').value")
    page.press("Tab")
    equal(page.run("document.activeElement.textContent"), "Skip to the message box")
    page.press("Enter")
    equal(page.run("document.activeElement.id"), "prompt")
    page.type("One line")
    page.press("Enter", shift=True)
    page.type("and another")
    equal(page.run("document.querySelector('#prompt').value"), "One line\nand another")
    equal(page.count(".turn"), 0)
    page.press("Enter")
    done(page)
    equal(prompts(page), ["One line\nand another"])
    page.run("document.activeElement.blur()")
    page.press("/")
    equal(page.run("[document.activeElement.id, document.querySelector('#prompt').value]"), ["prompt", ""])
    wanted = page.run("""(() => { window.seen = new Set(); return [...document.querySelectorAll("a[href], button, select, textarea, input, [tabindex='0']")].filter((node) =>
      !node.disabled && node.checkVisibility({ visibilityProperty: true }) && !node.closest("dialog")).length; })()""")
    for _ in range(wanted + 2):
        page.press("Tab")
        page.run("window.seen.add(document.activeElement)")
        page.wait("""(() => { const node = document.activeElement, style = getComputedStyle(node);
          return node === document.body || style.outlineStyle !== "none" || node.id === "prompt" && getComputedStyle(node.parentElement).boxShadow !== "none"; })()""", 2)
    reached = page.run("[...window.seen].filter((node) => node !== document.body).length")
    assert reached >= wanted, f"{reached} of {wanted} controls are reached with Tab"
    nameless = page.run("""[...document.querySelectorAll("button, select, textarea, input, a")].filter((node) =>
      !(node.getAttribute("aria-label") || node.textContent.trim() || node.labels?.length || node.hidden)).map((node) => node.outerHTML)""")
    equal(nameless, [])
    page.run("document.querySelector('#tune').focus()")
    page.press("Enter")
    page.wait("document.querySelector('#settings').open")
    page.press("Escape")
    page.wait("document.activeElement.id === 'tune'")


@check("pictures of the page", expects=("Failed to load resource",), makes_pictures=True)
def pictures(setting):
    folder = setting.arguments.screenshots
    save = lambda page, name: (time.sleep(0.4), page.screenshot(os.path.join(folder, name + ".png")))
    page = setting.page()
    save(page, "start-pair")
    say(page, "Tell me about the fisherman")
    page.click(".parting .button")
    save(page, "pair")
    page.media(dark=True)
    save(page, "pair-dark")
    single(page)
    page.click("#new")
    save(page, "start-dark")
    say(page, "markdown")
    page.run("document.querySelector('#scroll').scrollTop = 0")
    save(page, "markdown-dark")
    page.media(dark=False)
    page.click("#tune")
    save(page, "settings")
    page.press("Escape")
    say(page, "too long")
    save(page, "trouble")
    page.click("[data-act=edit]")
    save(page, "editing")
    phone = setting.page(width=360, height=740, touch=True)
    save(phone, "phone-start")
    say(phone, "Tell me about the fisherman")
    save(phone, "phone-pair")
    single(phone)
    say(phone, "markdown")
    save(phone, "phone")
    phone.click("#menu")
    save(phone, "phone-list")

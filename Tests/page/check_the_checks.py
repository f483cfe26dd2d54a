#!/usr/bin/env python3
"""Breaks the page in ways that have to be noticed, one at a time, and runs the check that has to notice; fails when one does not.
Takes about two minutes: for whoever changes the checks, not for every build.  Tests/page/check_the_checks.py"""
import os, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, "../../Sources/CServing/page.html")
BREAKS = [  # what is there, what is put in its place, the check that has to fail
    ("decoder.decode(value, { stream: true })", "decoder.decode(value)", "pieces of the stream"),
    ('rest = done ? "" : lines.pop();', 'rest = "";', "pieces of the stream"),
    ("/\\r\\n|\\n|\\r(?=[^])/", "/\\n/", "pieces of the stream"),
    ("parent.append(text.slice(plain, end))", "parent.innerHTML += text.slice(plain, end)", "Markdown becomes"),
    ("(https?:\\/\\/[^\\s()<>]{1,2000})", "([^\\s()<>]{1,2000})", "Markdown becomes"),
    ("this.settled = last.at;", "", "Markdown becomes"),
    ("++tried < tries", "true", "hostile Markdown"),
    ("jobs.get(answer)?.controller.abort()", "null", "Escape and the button"),
    ("else if (isWriting(chat)) stop(chat);", "", "Escape and the button"),
    ('chat.shown[turn.parent ?? "root"] = family[place + by].id;', "", "written again"),
    ("if (turn === until) return turns;", "", "any turn is changed"),
    ("for (const answer of turn.answers.filter(", "for (const answer of turn.answers.slice(0, 1).filter(", "two models answer side by side, at once"),
    ("one.answers.find((answer) => answer.model === model && answer.text) ??", "", "two models answer side by side, at once"),
    ("const start = Math.min(words[0].from, words[1].from);", "const start = at + 1;", "two models answer side by side, at once"),
    ("if (top < lastTop - 2) isStuck = false;", "", "ten thousand"),
    ("if (isStuck) scroller.scrollTop", "if (false) scroller.scrollTop", "ten thousand"),
    ("kept.write(chatKey + chat.id, JSON.stringify(chat))", "true", "kept over a reload"),
    ("isLeaving = true; keepWriting();", "", "a reload interrupts"),
    ("hoof_conversations: 1, exported", "exported", "leave as a file"),
    ('if (!event.key?.startsWith(chatKey)) return;', "return;", "two tabs"),
    ("if (!isRight) return;", "", "settings reach"),
    ("stream_options: { include_usage: true }, ...chat.sampling", "stream_options: { include_usage: true }", "settings reach"),
    (':root[data-theme="dark"] { color-scheme: dark }', "", "dark and light"),
    ("--soft: light-dark(#69635a, #a59e92)", "--soft: light-dark(#b9b3aa, #a59e92)", "dark and light"),
    (".answers.two { grid-template-columns: minmax(0, 1fr); gap: 14px }", ".answers.two { grid-template-columns: 200px 200px }", "scrolls sideways"),
    ("overflow-wrap: anywhere; accent-color", "accent-color", "scrolls sideways"),
    (":focus-visible { outline: 2px solid var(--accent)", ":focus-visible { outline: none", "keyboard alone"),
    ('event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode', 'event.key === "Enter" && event.keyCode', "keyboard alone"),
    ("if (error.key !== apiKey) continue;", "continue;", "a key is asked"),
    ('error.kind !== "busy" || attempt === 5', 'error.kind !== "busy" || attempt === 1', "refuses is said"),
    ('if (!isComplete) throw new Trouble("broke", broke);', "", "refuses is said"),
    ('if (error.kind === "gone") setTimeout', "if (false) setTimeout", "goes away"),
    ("if (!Array.isArray(list?.data)) throw", "if (false) throw", "none"),
    ("known.has(turn.id) || (turn.parent !== null && !known.has(turn.parent))", "false", "browser's storage"),
    ("<title>hoof</title>", '<title>hoof</title><link rel="stylesheet" href="https://example.org/a.css">', "streams in"),
    ('<div id="shade"></div>', '<div id="shade" style="color: red"></div>', "streams in"),
]

page, missed = open(PAGE, encoding="utf-8").read(), 0
for there, instead, check in BREAKS:
    assert page.count(there) == 1, f"the page has {page.count(there)} of {there}"
    with tempfile.NamedTemporaryFile("w", suffix=".html", encoding="utf-8") as file:
        file.write(page.replace(there, instead))
        file.flush()
        run = subprocess.run([sys.executable, os.path.join(HERE, "check_page.py"), "--need-browser", "--page", file.name, "--only", check, *sys.argv[1:]],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    is_noticed = run.returncode == 1 and "FAIL" in run.stdout
    missed += not is_noticed
    print(f"{'noticed' if is_noticed else 'MISSED '} {there[:70]!r}: {run.stdout.splitlines()[0][:110] if run.stdout else 'no output'}", flush=True)
print(f"{len(BREAKS) - missed} of {len(BREAKS)} breaks were noticed")
sys.exit(1 if missed else 0)

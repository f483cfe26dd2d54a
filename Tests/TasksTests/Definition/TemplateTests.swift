import JSON
import Testing

@testable import Tasks

/// Against what lm-evaluation-harness' `apply_template` (Jinja 3.1) gave for the same templates and row.
struct TemplateTests {
  private static let row: JSON = [
    "q": "  What is é? \u{a0}", "n": 3, "neg": -1, "f": 2.5, "t": true, "none": nil, "words": "a  b c", "csv": "x,y,,z",
    "list": ["one", "two", "three"], "choices": ["text": ["Sun", "Moon"], "label": ["A", "B"]], "key": "B",
    "nested": [["text": "p", "label": "1"], ["text": "q", "label": "2"]], "s": "hELLO wORLD ǆ", "br": "Clean [title] a [step] b  c",
    "digits": "2",
    "quote": "it's \"so\"", "under": "one _ two _ three", "emoji": "a😀b", "empty": "", "items": "field",
  ]

  private static let cases: [(String, String)] = [
    ("plain", "plain"),
    ("{{q}}", "  What is é? \u{a0}"),
    ("{{ q.strip() }}|", "What is é?|"),
    ("{{q.lstrip()}}|", "What is é? \u{a0}|"),
    ("{{q.rstrip()}}|", "  What is é?|"),
    ("{{words.split(' ')}}", "['a', '', 'b', 'c']"),
    ("{{words.split()}}", "['a', 'b', 'c']"),
    ("{{words.split(' ', 1)[1]}}", " b c"),
    ("{{csv.split(',')[:-1]|join('-')}}", "x-y-"),
    ("{{csv.split(',')[-1]}}", "z"),
    ("{{' '+csv.split(',')[0]}}", " x"),
    ("{{choices.label.index(key)}}", "1"),
    ("{{choices['text'][1]}}", "Moon"),
    ("{{choices.text}}", "['Sun', 'Moon']"),
    ("{{[q, key]}}", "['  What is é? \\xa0', 'B']"),
    ("{{list[0]}}{{list[-1]}}{{list[1:]}}{{list[:-2]}}{{list[-2:]}}", "onethree['two', 'three']['one']['two', 'three']"),
    ("{{emoji[1]}}{{emoji[1:]}}{{emoji[:2]}}{{emoji|length}}", "😀😀ba😀3"),
    ("{{s.capitalize()}} {{s.lower()}} {{s.upper()}}", "Hello world ǆ hello world ǆ HELLO WORLD Ǆ"),
    ("{{s|capitalize}}", "Hello world ǆ"),
    ("{{br.replace(' [title]', '. ')|regex_replace('\\\\[.*?\\\\]', '')|replace('  ', ' ')}}", "Clean. a b c"),
    ("{{br|regex_replace('([a-z]+) ', '<\\\\1>')}}", "C<lean>[title] <a>[step] <b> c"),
    ("{{br|regex_replace('x*', '-')}}", "-C-l-e-a-n- -[-t-i-t-l-e-]- -a- -[-s-t-e-p-]- -b- - -c-"),
    ("{{br|regex_replace('[a-z]', '', 2)}}", "Can [title] a [step] b  c"),
    ("{{n}} {{neg}} {{f}} {{t}} {{none}}", "3 -1 2.5 True None"),
    ("{{n + 1}} {{n - 5}} {{n * 2}} {{n / 2}} {{n // 2}} {{neg % 3}} {{-n // 2}} {{7 % -3}} {{-n}}", "4 -2 6 1.5 1 21 -23"),
    ("{{digits|int - 1}}", "1"),
    ("{{'5x'|int}}", "0"),
    ("{{' 12 '|int + f|int}}", "14"),
    ("{{'a' ~ n ~ t}}", "a3True"),
    ("{{n == 3}} {{n == 3.0}} {{'a' != 'b'}} {{n < 4}} {{n >= 4}} {{'a' < 'b'}} {{t == 1}}", "True True True True False True True"),
    ("{{'yes' if key == 'B' else 'no'}}", "yes"),
    ("{{'yes' if key == 'A'}}|", "|"),
    ("{{key if missing is defined else q}}", "  What is é? \u{a0}"),
    ("{{missing is defined}} {{key is defined}} {{none is none}} {{key is not none}} {{key is string}}", "False True True True True"),
    ("{{missing|default('d')}}", "d"),
    ("{{'S' in s}} {{'é' in q}} {{'two' in list}} {{'x' not in list}} {{'text' in choices}}", "False True True True True"),
    ("{{not t}} {{not empty and t}} {{empty or key}} {{list and key}}", "False True B B"),
    ("{{(s + key).lower()}}", "hello world ǆb"),
    ("{{s.find('wORLD')}} {{s.find('zz')}} {{s.index('L')}} {{emoji.find('b')}}", "6 -1 2 2"),
    ("{{s.startswith('hE')}} {{s.endswith('x')}}", "True False"),
    ("{{list|join}} {{list|join(', ')}} {{', '.join(list)}}", "onetwothree one, two, three one, two, three"),
    (
      "{{list|first}} {{list|last}} {{list|length}} {{list|map('upper')|list}} {{nested|map(attribute='text')|list}}",
      "one three 3 ['ONE', 'TWO', 'THREE'] ['p', 'q']"
    ),
    ("{{(nested|map(attribute='label')|list).index('2')}}", "1"),
    ("{{nested[1].text}}{{nested.0.label}}", "q1"),
    ("{{'A\\tB\\x41\\u00e9\\n'}}", "A\tBAé\n"),
    ("{{'\\d'}}", "\\d"),
    ("{{\"it's\"}} {{'say \"x\"'}}", "it's say \"x\""),
    ("{{quote.split(' ')}}", "[\"it's\", '\"so\"']"),
    ("{{ [br, none, t, 2.5] }}", "['Clean [title] a [step] b  c', None, True, 2.5]"),
    ("{{choices}}", "{'text': ['Sun', 'Moon'], 'label': ['A', 'B']}"),
    (
      "{{choices|list}} {{choices.keys()|list}} {{choices.values()|list}}",
      "['text', 'label'] ['text', 'label'] [['Sun', 'Moon'], ['A', 'B']]"
    ),
    ("{{ {'cause': 'because', 'effect': 'therefore'}['effect'] }}", "therefore"),
    ("{{ {1: 'a'}[1] }}", "a"),
    ("{% set x = key + '!' %}{{x}}", "B!"),
    ("{% set x = 'a' -%}   b{{ x }}", "ba"),
    ("a  {{- key -}}  b", "aBb"),
    ("{%- if n > 2 %}big{% elif n > 1 %}mid{% else %}small{% endif %}", "big"),
    ("{% for c in list %}{{loop.index}}.{{c}}{% if not loop.last %}, {% endif %}{% endfor %}", "1.one, 2.two, 3.three"),
    ("{# note #}x", "x"),
    ("{{ 'a' 'b' }}", "ab"),
    ("{{ [1] * 2 + [0] * list|length }}", "[1, 1, 0, 0, 0]"),
    ("{{'ab' * 3}}", "ababab"),
    ("{{under.split('_', 1)[0] + 'X'}}|{{under.split('_', 1)[1].strip()}}", "one X|two _ three"),
    ("{{'aaa'.replace('a', 'b', 2)}} {{'ab'.replace('', '-')}}", "bba -a-b-"),
    ("{{'xxaxx'.strip('x')}} {{'  a'|trim}}", "a a"),
    ("{{(1, 2)[1]}}", "2"),
    ("{{ 'İ'.lower()|length }} {{ 'straße'.upper() }} {{ 'ﬁx'.capitalize() }}", "2 STRASSE Fix"),
    ("{{items}}", "field"),
    ("line\nend\n", "line\nend\n"),
    ("{{ 'a' if true else 'b' if false else 'c' }}", "a"),
    ("{{ '%' }}{{'}}'}}", "%}}"),
    ("{{ q.strip()[:-1] }}", "What is é"),
    ("{{ [1,2,3].index(2) }} {{ [1,1].count(1) }}", "1 2"),
    ("{{ 1 in [1.0] }} {{ [1, 'a'] == [1, 'a'] }}", "True True"),
    ("{{ -1|string }}", "-1"),
    (
      "{{9223372036854775806 % 9223372036854775807}} {{ -5 % 9223372036854775807}} {{ -5 % (0 - 9223372036854775807 - 1)}}",
      "9223372036854775806 9223372036854775802 -5"
    ),
    (
      "{{ -5 // (0 - 9223372036854775807 - 1)}} {{ -7 // 2}} {{7 // -2}} {{7 % -2}} {{ -7 % -2}} {{ -6 // 3}} {{ -6 % 3}}",
      "0 -4 -4 -1 -1 -2 0"
    ),
    ("{{ -7.5 // 2}} {{ -7.5 % 2}} {{1.0 // 0.1}} {{0.3 % 0.1}} {{ 7 % -2.5}}", "-4.0 0.5 9.0 0.09999999999999998 -0.5"),
    (
      "{{''|default('D', true)}} {{''|default('D')}}| {{none|default('x', boolean=true)}} {{missing|default(default_value='d')}}", "D | x d"
    ),
    (
      "{{1 < 3 < 2}} {{1 < 2 < 3 != 4}} {{'a' in ['a'] == true}} {{(1 < 2) == true}} {{3 > missing.x if false else 1}}",
      "False True False True 1"
    ),
    ("{{' 1  2   3  '.split(none, 1)}} {{'  a b '.split(none, 0)}} {{'a b  '.split(none, 2)}}", "['1', '2   3  '] ['a b '] ['a', 'b']"),
    ("{{'ΑΣ'.lower()}} {{'Σ'.lower()}} {{'ΑΣΒ Σ'.lower()}} {{'ΑΣ'.capitalize()}} {{\"ΑΣ'\".lower()}}", "ας σ ασβ σ Ας ας'"),
    (
      "{{'aabaaabaab'.split('aab')}} {{'aaab'.find('aab')}} {{'aaaa'.replace('aa', 'b')}} {{'abcabd'.find('abd')}}",
      "['', 'a', '', ''] 1 bb 3"
    ),
  ]

  @Test("a template gives what Jinja gives", arguments: cases)
  func same(_ template: String, _ expected: String) throws {
    let text = try Template(template).text(Self.row.object!)
    #expect(text.unicodeScalars.elementsEqual(expected.unicodeScalars), "\(template): '\(text)', not '\(expected)'")
  }

  @Test(
    "what is no template is refused, with what is wrong in it",
    arguments: [
      ("{{a", "a tag has no '}}'"), ("{{}}", "an expression ends too early"), ("{{a b}}", "more behind the end of an expression: 'b'"),
      ("{{(a]}}", "a ']' that nothing opens"), ("{{'a}}", "a string without its closing quote"),
      ("{{a|lenght}}", "an unknown filter 'lenght'; did you mean 'length'?"),
      ("{% import 'x' %}", "a tag that templates of tasks do not have: 'import'"), ("{% if a %}b", "'endif' is missing"),
      ("{# x", "a comment has no '#}'"),
      ("{{a is odd}}", "an unknown test 'is odd'"), ("{{9223372036854775808}}", "a number that does not fit 64 bits"),
      ("{{a ? b}}", "a character that has no meaning here: '?'"),
      ("{{a|regex_replace('(', '')}}", "not a regular expression: missing closing parenthesis at character 1"),
      ("{{" + String(repeating: "(", count: 30) + "a" + String(repeating: ")", count: 30) + "}}", "nested deeper than 24"),
      ("{{" + String(repeating: "a+", count: 600) + "a}}", "an expression of more than 400 parts"),
      (String(repeating: "x", count: 65_537), "a template of 65537 bytes; at most 65536 are taken"),
    ])
  func refused(_ template: String, _ reason: String) {
    #expect(throws: TemplateError(reason)) { try Template(template) }
  }

  @Test(
    "what a row cannot fill says why",
    arguments: [
      ("{{missing.strip()}}", "missing: is missing"), ("{{choices.names}}", "names: is missing"),
      ("{{list[3]}}", "element 3 of 3 elements"),
      ("{{choices.label.index('E')}}", "'E' is none of A, B"), ("{{n.strip()}}", "a number has no method 'strip' with 0 arguments"),
      ("{{q.strip(1, 2)}}", "a text has no method 'strip' with 2 arguments"), ("{{s.index('zz')}}", "no 'zz' in the text"),
      ("{{n // 0}}", "a division by 0"),
      ("{{q + n}}", "a text + a number"), ("{{9223372036854775807 + 1}}", "a number that does not fit 64 bits"),
      ("{{'x' * 99999999}}", "a text longer than 16 MiB"),
      ("{{('x' * 9999).replace('x', 'y' * 9999)}}", "a text longer than 16 MiB"), ("{{s < n}}", "a text compared with a number"),
      ("{% for a in 'x' * 1000 %}{% for b in 'x' * 1000 %}{{a}}{% endfor %}{% endfor %}", "takes more than 200000 steps"),
      ("{% set m = 0 - 9223372036854775807 - 1 %}{{m // -1}}", "a number that does not fit 64 bits"),
      ("{{s|default('x', true, 1)}}", "|default with 3 arguments"),
      ("{{s|default(otherwise='x')}}", "|default with an argument 'otherwise='"),
    ])
  func unfilled(_ template: String, _ reason: String) throws {
    let parsed = try Template(template)
    let error = #expect(throws: TemplateError.self) { try parsed.text(Self.row.object!) }
    #expect(error?.description == reason)
  }

  private static let most = "goes through more than 128 MiB"

  private static func repeated(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }

  private static let expensive: [(String, String)] = [
    // Turns without a body.
    ("{% for a in 'x' * 1000 %}{% for b in 'x' * 1000 %}{% endfor %}{% endfor %}", "takes more than 200000 steps"),
    ("{{ ((['x'] * 500000)|map('upper')|list)|length }}", "takes more than 200000 steps"),
    // One list under two names, forty times: 2^40 elements to go through.
    ("{% set a = ['x'] %}\(repeated("{% set a = [a, a] %}", 40)){{a}}", most),
    ("{{ [[0] * 500000] * 500000 }}", most), ("{{ [[0] * 500000] * 500000 == [[0] * 500000] * 500000 }}", most),
    ("{{ ([[0] * 500000] * 500000).index(1) }}", most), ("{{ 1 in [[0] * 500000] * 500000 }}", most),
    ("{{ ([[0] * 500000] * 500000)|join }}", most), ("{{ 'a' ~ [[0] * 500000] * 500000 }}", most),
    ("{{ (['x' * 16000000] * 1000)|map('string')|list|length }}", most), (repeated("{% set a = 'x' * 16000000 %}", 40), most),
    ("{% for a in 'x' * 9999999 %}{% endfor %}", "a list of more than 524288 elements"),
    ("{{(',' * 9999999).split(',')}}", "a list of more than 524288 elements"),
    ("{{('a ' * 4999999).split()}}", "a list of more than 524288 elements"),
    ("{% for a in 'x' * 100000 %}\(repeated("y", 60_000)){% endfor %}", "a text longer than 16 MiB"),
    ("{% set a = ['x'] %}\(repeated("{% set a = [a] %}", 70))", "lists nested deeper than 64"),
    // A search that tries every place anew would take 10^13 comparisons.
    ("{{('a' * 8000000).index('a' * 4000000 ~ 'b')[0]}}", "no '\(repeated("a", 60))' in the text"),
  ]

  @Test("no template takes all memory or time", .timeLimit(.minutes(1)), arguments: expensive)
  func costly(_ template: String, _ reason: String) throws {
    let parsed = try Template(template)
    let error = #expect(throws: TemplateError.self) { try parsed.text([:]) }
    #expect(error?.description == reason)
    #expect(throws: TemplateError.self) { try parsed.value(TemplateScope(row: [:])) }
  }
}

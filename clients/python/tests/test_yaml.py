"""Reading and changing YAML: what is understood is read as every reader does, and
what is not is refused."""

from __future__ import annotations

import random
import unittest
from typing import Any, List, Union

from faaspot.yamledit import Document, render
from faaspot.yamltree import Mapping, Other, Scalar, YAMLError, parse


def plain(value: Any) -> Any:
    """A tree as dicts and texts; null is None, what was not looked into is ...."""
    if isinstance(value, Mapping):
        return {entry.key: plain(entry.value) for entry in value.entries}
    if isinstance(value, Other):
        return ...
    assert isinstance(value, Scalar)
    return None if value.is_null else value.text


UNDERSTOOD = {
    "": {},
    "\n# nothing yet\n   # here\n": {},
    "---\n": {},
    "--- # c\na: b\n": {"a": "b"},
    "~\n": {},
    "null # c": {},
    "{}\n": {},
    "{ } # c\n": {},
    "a: b": {"a": "b"},
    "a: b\r\nc:\r\n  d: e\r\n": {"a": "b", "c": {"d": "e"}},
    "a:\n  b: c\n  d:\n    e: f\ng: h\n": {"a": {"b": "c", "d": {"e": "f"}}, "g": "h"},
    "a:\n\n    # c\n  # d\n    b: c\n\n": {"a": {"b": "c"}},
    "  a: b\n  c: d\n": {"a": "b", "c": "d"},
    "a:\nb: ~\nc: null\nd: ''\ne: \"\"\nf: 'null'\n": {"a": None, "b": None, "c": None, "d": "", "e": "", "f": "null"},
    "a: b # c\nd: e#f\ng: # h\ni:\t# j\n": {"a": "b", "d": "e#f", "g": None, "i": None},
    "a: http://x:80/y?z\nb:c: d:e\nf : g\n": {"a": "http://x:80/y?z", "b:c": "d:e", "f": "g"},
    'a: it\'s "b" [c] {d} -e\n': {"a": 'it\'s "b" [c] {d} -e'},
    "a: -1\nb: -x\nc: ?x\nd: :x\ne: .5\n": {"a": "-1", "b": "-x", "c": "?x", "d": ":x", "e": ".5"},
    "a: 'b: # ''c'''  # d\n": {"a": "b: # 'c'"},
    '"a #b": "c: \\"d\\" # \\\\ \\t\\n\\u00e9\\x41\\U0001f600"\n': {"a #b": 'c: "d" # \\ \t\néA\U0001f600'},
    "'a' : b\n'c: d': e\n": {"a": "b", "c: d": "e"},
    "a: [b, {c: d}] # e\nf: {g: 'h}', \"i]\": [j]}\nk: [it's]\n": {"a": ..., "f": ..., "k": ...},
    "a: {}\nb: []\nc: { }\n": {"a": {}, "b": ..., "c": {}},
    "a:\n- b\n- c\nd: e\n": {"a": ..., "d": "e"},
    "a:\n  - b: c\n    d: e\n  - - f\n    - g\n  -\n    h: i\n  - 'j: k'\n  -\nl: m\n": {"a": ..., "l": "m"},
    "a:\n  - |\n   b: {\n\n    c\n  - d: >-\n      e\nf: g\n": {"a": ..., "f": "g"},
    "a: |\n  b: {\n # no key here: it is text\n  'c\n\n\nd: e\n": None,
    "a: |-  # c\n  b: {\n    'c\n\n\nd: e\n": {"a": ..., "d": "e"},
    "a:\n  b: |2\n      c\nd: >+\n  e\n\nf: g\n": {"a": {"b": ...}, "f": "g", "d": ...},
    "é: ü\n\U0001f600: \u00a0\n": {"é": "ü", "\U0001f600": "\u00a0"},
    "y: yes\n1: 2\ntrue: no\n": {"y": "yes", "1": "2", "true": "no"},
    "- a\n- b\n": ...,
    "just text\n": "just text",
}
UNDERSTOOD = {text: want for text, want in UNDERSTOOD.items() if want is not None}

REFUSED = [
    ("a: b\n---\nc: d\n", 2, "more than one document"),
    ("--- a\n", 1, "more than one document"),
    ("a: b\n...\n", 2, "more than one document"),
    ("%YAML 1.2\n---\na: b\n", 1, "directives"),
    ("a: b\na: c\n", 2, "the key 'a' is there twice"),
    ("a:\n  b: 1\n  'b': 2\n", 3, "twice"),
    ("a: b\n  c: d\n", 2, "indentation"),
    ("a:\n    b: c\n  d: e\n", 3, "indentation"),
    ("a: b\n  c\n", 2, "second line"),
    ("a: b\n c\nd: e\n", 2, "second line"),
    ("a: 'b\n  c'\n", 1, "quote is not closed"),
    ('a: "b\n', 1, "quote is not closed"),
    ('a: "b\\', 1, "escape"),
    ('a: "\\q"\n', 1, "escape \\q"),
    ('a: "\\ud83d"\n', 1, "escape \\u"),
    ('a: "\\U00110000"\n', 1, "escape \\U"),
    ('a: "\\x1"\n', 1, "escape \\x"),
    ("a: 'b' c\n", 1, "behind the value"),
    ("a: 'b'#c\n", 1, "behind the value"),
    ("a: [b] c\n", 1, "behind the value"),
    ("a: [b,\n  c]\n", 1, "`[` is not closed"),
    ("a: {b: c\nd: e}\n", 1, "`{` is not closed"),
    ("a: {b: [c}]\n", 1, "`{` is not closed"),
    ("a: {b: 'c}\n", 1, "quote is not closed"),
    ("a: [b #]\n", 1, "`[` is not closed"),
    ("a: &x b\n", 1, "anchors"),
    ("a: *x\n", 1, "aliases"),
    ("a:\n  <<: *x\n", 2, "aliases"),
    ("a: !!str b\n", 1, "tags"),
    ("a: @b\n", 1, "@"),
    ("a: `b`\n", 1, "`"),
    ("a: , b\n", 1, "comma"),
    ("a: ]\n", 1, "bracket"),
    ("a: b: c\n", 1, "colon in a value"),
    ("a: b:\n", 1, "colon in a value"),
    ("a: - b\n", 1, "cannot begin with `- `"),
    ("? a\n: b\n", 1, "cannot begin with `? `"),
    (": b\n", 1, "cannot begin with `: `"),
    ("a:\n  b\n", 2, "want `key: value`"),
    ("a\nb: c\n", 2, "second line"),
    ("a: b\nc\n", 2, "want `key: value`"),
    ("a: b\n#c: d\ne #f: g\n", 3, "want `key: value`"),
    ("{a: b}: c\n", 1, "behind the value"),
    ("a: b\n{c: d}: e\n", 2, "braces"),
    ("a: b\n- c\n", 2, "an item of a list"),
    ("- a\nb: c\n", 2, "indentation"),
    ("a:\n- b\n c: d\n", 3, "indentation"),
    ("\ta: b\n", 1, "tab"),
    ("a:\n\tb: c\n", 2, "tab"),
    ("a:\n  \tb: c\n", 2, "tab"),
    ("a: |x\n  b\n", 1, "what comes behind `|`"),
    ("a: |\n  b\n c: d\n", 3, "indentation"),
    ("a: b\x00\n", 1, "U+0000"),
    ("a: b\nc: \x85d\n", 2, "U+0085"),
    ("a: b\u2028c: d\n", 1, "U+2028"),
    ("a: b\rc: d\n", 1, "U+000D"),
    ("\ufeffa: b\n", 1, "U+FEFF"),
]


class Reading(unittest.TestCase):
    def test_what_is_understood(self) -> None:
        for text, want in UNDERSTOOD.items():
            with self.subTest(text):
                self.assertEqual(plain(parse(text)), want)

    def test_what_is_not_is_refused_with_its_line(self) -> None:
        for text, line, words in REFUSED:
            with self.subTest(text):
                with self.assertRaises(YAMLError) as caught:
                    parse(text)
                self.assertIn(words, caught.exception.problem)
                self.assertEqual(caught.exception.line, line)

    def test_nothing_else_goes_wrong(self) -> None:
        """Whatever is put together of what YAML is made of is read or refused, and
        what is read can be changed without harm to the rest."""
        pieces = [
            "a",
            "b",
            ": ",
            ":",
            " ",
            "  ",
            "\n",
            "\n",
            "- ",
            "'",
            '"',
            "{",
            "}",
            "[",
            "]",
            "#",
            " #",
            "|",
            ">",
            "~",
        ]
        pieces += ["\\", "\t", "a: b\n", "  c: d\n", "---\n", ",", "\r\n", "null", "é", "1"]
        chance = random.Random(7)
        read = 0
        for _ in range(20_000):
            text = "".join(chance.choices(pieces, k=chance.randrange(1, 14)))
            try:
                document = Document(text)
                before = plain(parse(text))
                document.set(("new", "key"), "value: 1")
            except YAMLError:
                continue
            read += 1
            self.assertEqual(plain(parse(document.text)), {**before, "new": {"key": "value: 1"}}, text)
            document.remove(("new",))
            self.assertEqual(plain(parse(document.text)), before, text)
        self.assertGreater(read, 1000)


class Changing(unittest.TestCase):
    def change(self, text: str, *path: str, value: Any = "v") -> str:
        document = Document(text)
        document.set(path, value)
        return document.text

    def test_values(self) -> None:
        for text, path, want in [
            ("", "a", "a: v\n"),
            ("", "a.b.c", "a:\n  b:\n    c: v\n"),
            ("# c\n", "a", "# c\na: v\n"),
            ("# c", "a", "# c\na: v\n"),
            ("---\n", "a", "---\na: v\n"),
            ("~\n", "a", "\na: v\n"),
            ("{} # c\n", "a.b", " # c\na:\n  b: v\n"),
            ("a: b", "a", "a: v"),
            ("a: b", "c", "a: b\nc: v\n"),
            ("a:   'b'   # c\n", "a", "a:   v   # c\n"),
            ("a: # c\n", "a", "a: v # c\n"),
            ("a:\n", "a", "a: v\n"),
            ("a:\t~\n", "a", "a:\tv\n"),
            ("a: ~ # c\nd: e\n", "a.b", "a: # c\n  b: v\nd: e\n"),
            ("a: {} # c\nd: e\n", "a.b", "a: # c\n  b: v\nd: e\n"),
            ("a:\n    b: c\n    # d\n\n# e\nf: g\n", "a.h", "a:\n    b: c\n    h: v\n    # d\n\n# e\nf: g\n"),
            ("a:\n  b:\n   c: d\n", "a.b.e", "a:\n  b:\n   c: d\n   e: v\n"),
            ("a:\r\n  b: c\r\n", "a.d", "a:\r\n  b: c\r\n  d: v\r\n"),
            ("a:\n  b: |\n    t\n\n  c: d\n", "a.c", "a:\n  b: |\n    t\n\n  c: v\n"),
            ("  a: b\n", "c", "  a: b\n  c: v\n"),
            ("'a b': c\n", "a b", "'a b': v\n"),
        ]:
            with self.subTest(text=text, path=path):
                self.assertEqual(self.change(text, *path.split(".")), want)

    def test_what_is_no_single_value_is_not_replaced(self) -> None:
        for text, words in [
            ("a:\n  b: c\n", "a: want a single value"),
            ("a: [b]\n", "a: want a single value, not a list"),
            ("a: |\n  b\n", "not a text of several lines"),
        ]:
            with self.subTest(text), self.assertRaises(YAMLError) as caught:
                self.change(text, "a")
            self.assertIn(words, str(caught.exception))
        for text in ("a: b\n", "a: [b]\n", "a: {b: c}\n"):
            with self.subTest(text), self.assertRaisesRegex(YAMLError, "line 1: a: want a mapping"):
                self.change(text, "a", "b")

    def test_removing(self) -> None:
        for text, path, want in [
            ("a: b\nc: d\n", "a", "c: d\n"),
            (
                "a:\n  b: c\n  # of d\n  # too\n  d:\n    e: f\n\n  # of g\n  g: h\n",
                "a.d",
                "a:\n  b: c\n\n  # of g\n  g: h\n",
            ),
            ("a:\n  b: c\nd: e\n", "a.b", "a:\nd: e\n"),
            ("# of the file\n\na: b\n", "a", "# of the file\n\n"),
            ("a: b\n", "c", "a: b\n"),
            ("a: b\n", "c.d", "a: b\n"),
        ]:
            with self.subTest(text=text, path=path):
                document = Document(text)
                document.remove(path.split("."))
                self.assertEqual(document.text, want)

    def test_values_come_back(self) -> None:
        chance = random.Random(11)
        alphabet = "ab1 .:#-'\"\\{}[],&*!|>%@`~?/\t\n\ré\u00a0\u2028\ufeff\U0001f600\x00\x85\x7f"
        values = [
            "",
            "true",
            "No",
            "null",
            "~",
            "y",
            "1",
            "1.5",
            "0x1f",
            "1_000",
            "12:30",
            ".inf",
            "2017-07-21",
            "- a",
            "a: b",
        ]
        values += ["127.0.0.1", "::1", "/etc/ca.pem", "=", "<<", "---", "..."]
        values += ["".join(chance.choices(alphabet, k=chance.randrange(1, 8))) for _ in range(5000)]
        for value in values:
            with self.subTest(value):
                document = Document("x: y\n")
                document.set((value, "k"), value)
                self.assertEqual(plain(parse(document.text)), {"x": "y", value: {"k": value}} if value != "x" else None)

    def test_half_a_character_cannot_be_written(self) -> None:
        with self.assertRaises(ValueError):
            render("\ud800")

    def test_numbers_and_truth(self) -> None:
        values: List[Union[str, int, bool]] = [80, True, False, "80", "true"]
        self.assertEqual([render(each) for each in values], ["80", "true", "false", '"80"', '"true"'])

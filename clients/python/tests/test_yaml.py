"""The YAML reader: text in the subset is read as every YAML reader reads it, and all other text is
rejected."""

from __future__ import annotations

import importlib
import importlib.util
import random
import time
import unittest
from typing import Any

from faaspot.yamlreader import MAX_DEPTH, Flow, Mapping, Value, YAMLError, parse


def plain(value: Value) -> Any:
    """A value as dicts and text; null is None, a flow collection is ...."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.entries.items()}
    if isinstance(value, Flow):
        return ...
    return None if value.is_null else value.text


ACCEPTED = {
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
    "'<<': b\nc: <<\n<<d: e\n": {"<<": "b", "c": "<<", "<<d": "e"},
    "a: -1\nb: -x\nc: ?x\nd: :x\ne: .5\n": {"a": "-1", "b": "-x", "c": "?x", "d": ":x", "e": ".5"},
    "a: 'b: # ''c'''  # d\n": {"a": "b: # 'c'"},
    '"a #b": "c: \\"d\\" # \\\\ \\t\\n\\u00e9\\x41\\U0001f600"\n': {"a #b": 'c: "d" # \\ \t\néA\U0001f600'},
    "'a' : b\n'c: d': e\n": {"a": "b", "c: d": "e"},
    "a: {}\nb: []\nc: { }\n": {"a": {}, "b": ..., "c": {}},
    "a: [b, c] # e\nf: {g: h}\n": {"a": ..., "f": ...},
    "é: ü\n\U0001f600: \u00a0\n": {"é": "ü", "\U0001f600": "\u00a0"},
    "y: yes\n1: 2\ntrue: no\n": {"y": "yes", "1": "2", "true": "no"},
    "a: |\n  b: {\n\n   'c\n\n\nd: e\n": {"a": "b: {\n\n 'c\n", "d": "e"},
    "a: |-  # c\n  # b\n\n\nd: e\n": {"a": "# b", "d": "e"},
    "a:\n  b: |+\n    c\n\n  d: e\n": {"a": {"b": "c\n\n", "d": "e"}},
    "a:\n  b: |2-\n      c\n": {"a": {"b": "  c"}},
    "a: |+2\n\n\nb: |2+\n   \n": {"a": "\n\n", "b": " \n"},
    "a: |\nb: |\n  c": {"a": "", "b": "c"},
}

REJECTED = [
    ("a: b\n---\nc: d\n", 2, "more than one document"),
    ("--- a\n", 1, "more than one document"),
    ("a: b\n...\n", 2, "more than one document"),
    ("%YAML 1.2\n---\na: b\n", 1, "directives"),
    ("a: b\na: c\n", 2, "the key 'a' appears twice"),
    ("a:\n  b: 1\n  'b': 2\n", 3, "twice"),
    ("a: b\n  c: d\n", 2, "indentation"),
    ("a:\n    b: c\n  d: e\n", 3, "indentation"),
    ("a: b\n  c\n", 2, "second line"),
    ("a: b\n c\nd: e\n", 2, "second line"),
    ("a: 'b\n  c'\n", 1, "ends on its line"),
    ('a: "b\n', 1, "ends on its line"),
    ('a: "b\\', 1, "ends on its line"),
    ('a: "\\q"\n', 1, "escape \\q"),
    ('a: "\\ud83d"\n', 1, "escape \\u"),
    ('a: "\\U00110000"\n', 1, "escape \\U"),
    ('a: "\\x1"\n', 1, "escape \\x"),
    ("a: 'b' c\n", 1, "after the value"),
    ("a: 'b'#c\n", 1, "after the value"),
    ("a: [b] c\n", 1, "after the value"),
    ("a: {} {}\n", 1, "after the value"),
    ("a: [b,\n  c]\n", 1, "ends on its line"),
    ("a: {b: c\nd: e}\n", 1, "ends on its line"),
    ("a: {b: [c}]\n", 1, "ends on its line"),
    ("a: [[b]]\n", 1, "ends on its line"),
    ("a: {b: 'c'}\n", 1, "ends on its line"),
    ("a: [b #]\n", 1, "ends on its line"),
    ("a: &x b\n", 1, "not plain or quoted"),
    ("a: *x\n", 1, "not plain or quoted"),
    ("a:\n  <<: *x\n", 2, "merge keys"),
    ("a:\n  << : {b: c}\n", 2, "merge keys"),
    ("a: !!str b\n", 1, "not plain or quoted"),
    ("a: @b\n", 1, "not plain or quoted"),
    ("a: `b`\n", 1, "not plain or quoted"),
    ("a: , b\n", 1, "not plain or quoted"),
    ("a: ]\n", 1, "not plain or quoted"),
    ("a: - b\n", 1, "not plain or quoted"),
    ("a: >\n  b\n", 1, "not plain or quoted"),
    ("a: b: c\n", 1, "after the value"),
    ("a: b:\n", 1, "after the value"),
    ("? a\n: b\n", 1, "want `key: value`"),
    (": b\n", 1, "want `key: value`"),
    ("a:\n  b\n", 2, "want `key: value`"),
    ("just text\n", 1, "want `key: value`"),
    ("a\nb: c\n", 1, "want `key: value`"),
    ("a: b\nc\n", 2, "want `key: value`"),
    ("a: b\n#c: d\ne #f: g\n", 3, "want `key: value`"),
    ("{a: b}: c\n", 1, "want `key: value`"),
    ("a: b\n{c: d}: e\n", 2, "want `key: value`"),
    ("a: b\n- c\n", 2, "want `key: value`"),
    ("- a\n- b\n", 1, "want `key: value`"),
    ("a:\n- b\n", 2, "want `key: value`"),
    ("~\na: b\n", 2, "nothing may follow"),
    ("\ta: b\n", 1, "tab"),
    ("a:\n\tb: c\n", 2, "tab"),
    ("a:\n  \tb: c\n", 2, "tab"),
    ("a: |x\n  b\n", 1, "not plain or quoted"),
    ("a: | x\n  b\n", 1, "after the value"),
    ("a: |\n  b\n c: d\n", 3, "indentation"),
    ("a: |\n    \n  b\n", 3, "a blank line"),
    ("a: |\n  b\x00\n", 2, "U+0000"),
    ("a: b\x00\n", 1, "U+0000"),
    ("a: b\nc: \x85d\n", 2, "U+0085"),
    ("a: b\u2028c: d\n", 1, "U+2028"),
    ("a: b\rc: d\n", 1, "U+000D"),
    ("\ufeffa: b\n", 1, "U+FEFF"),
    ("".join(" " * depth + "a:\n" for depth in range(MAX_DEPTH + 1)), MAX_DEPTH + 1, "nested too deep"),
]

PIECES = ["a", "b", ": ", ":", " ", "  ", "\n", "\n", "- ", "'", '"', "{", "}", "[", "]", "#", " #", "|", ">", "~"]
PIECES += ["\\", "\t", "a: b\n", "  c: d\n", "---\n", ",", "\r\n", "null", "é", "1", "a: |\n", "  x\n", "   y\n"]
PIECES += ["|-\n", "|2+\n", "?", "\\x41", "a:\n", "\n  b: 'x'\n", '"\\n"']


class Reading(unittest.TestCase):
    def test_accepted_text(self) -> None:
        for text, want in ACCEPTED.items():
            with self.subTest(text):
                self.assertEqual(plain(parse(text)), want)

    def test_rejected_text_is_reported_with_its_line(self) -> None:
        for text, line, words in REJECTED:
            with self.subTest(text):
                with self.assertRaises(YAMLError) as caught:
                    parse(text)
                self.assertIn(words, caught.exception.problem)
                self.assertEqual(caught.exception.line, line)

    def test_random_text_is_read_like_pyyaml_or_rejected(self) -> None:
        """Random combinations of YAML tokens. Without PyYAML it is only checked that nothing but
        YAMLError is raised."""
        oracle = _pyyaml() if importlib.util.find_spec("yaml") else None
        chance = random.Random(7)
        accepted = 0
        for _ in range(20_000):
            text = "".join(chance.choices(PIECES, k=chance.randrange(1, 16)))
            try:
                got = parse(text)
            except YAMLError:
                continue
            accepted += 1
            # PyYAML rejects tabs between tokens, which the YAML standard and Go's yaml.v3 accept.
            if oracle is not None and "\t" not in text:
                self.assertTrue(_same(got, oracle(text)), text)
        self.assertGreater(accepted, 1000)

    def test_time_is_linear(self) -> None:
        """Text that makes backtracking parsers slow. Each takes well below a second; quadratic time
        would be hours."""
        size = 200_000
        start = time.process_time()
        for text in (
            "a: " + "x " * size,
            "a: " + "'x" * size,
            "a: '" + "''" * size,
            '"' + '\\"' * size,
            "a: " + "[{" * size,
            "a: " + ":" * size,
            "a: " + "x #" * size,
            "a: b" + " " * size + "x: ",
            "a" + " " * size + "b",
            "a: |" + "\n" * size,
            "a: |\n" + (" " * 1000 + "\n") * (size // 1000) + " b",
            "".join("k{}: v\n".format(number) for number in range(size // 8)),
        ):
            try:
                parse(text)
            except YAMLError:
                pass
        self.assertLess(time.process_time() - start, 60)


def _pyyaml() -> Any:
    """A function that loads text with PyYAML: scalars as text, lists as ..., with duplicate keys
    rejected."""
    yaml: Any = importlib.import_module("yaml")
    loader_type: Any = type("Loader", (yaml.BaseLoader,), {})

    def construct(loader: Any, node: Any) -> Any:
        if isinstance(node, yaml.SequenceNode):
            return ...
        if isinstance(node, yaml.ScalarNode):
            return node.value
        pairs = [(loader.construct_object(k, deep=True), loader.construct_object(v, deep=True)) for k, v in node.value]
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a key appears twice")
        return dict(pairs)

    loader_type.add_constructor(None, construct)
    return lambda text: yaml.load(text, loader_type)


def _same(got: Value, want: Any) -> bool:
    if isinstance(got, Flow):
        return True
    if isinstance(got, Mapping):
        if not isinstance(want, dict):
            return not got.entries and want in (None, "", "~", "null")
        return list(got.entries) == list(want) and all(_same(got.entries[key], want[key]) for key in want)
    return bool(got.text == want)

"""Reads the subset of YAML that profile files are written in.

The subset is block mappings of `key: value` lines. Keys and values are plain, 'single-quoted'
or "double-quoted" and end on their line; a value may also be a literal block (`|`), which `fas`
writes for text of several lines, or `{}`. Comments, blank lines and a first line `---` are
skipped. A flow collection on one line, such as `[a, b]`, is accepted as a value but not read.

Anything else that YAML allows raises YAMLError with its line number: refusing a file is better
than reading it differently from other programs. Values stay text; the caller interprets them.
Reading takes linear time, and mappings nest at most 16 levels deep.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple, Union

MAX_DEPTH = 16  # nested mappings; a profile file needs four


class YAMLError(ValueError):
    """The text is not in the subset. line counts from 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__("line {}: {}".format(line, problem))
        self.line = line
        self.problem = problem


@dataclass(frozen=True)
class Scalar:
    """A single value: text without quotes and with escapes resolved."""

    line: int
    text: str
    plain: bool = False  # written without quotes

    @property
    def is_null(self) -> bool:
        return self.plain and self.text in ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True)
class Flow:
    """A flow collection, whose content is not read. what is "a list" or "a mapping in braces"."""

    line: int
    what: str


@dataclass(frozen=True)
class Mapping:
    """Entries in the order of the text."""

    line: int
    entries: Dict[str, Value] = field(default_factory=dict)


Value = Union[Scalar, Flow, Mapping]

# A plain scalar ends before ": ", before " #" and at the end of the line.
_PLAIN = (
    r"""(?:[^ \t\-?:,\[\]{}#&*!|>'"%@`]|[-?:](?=[^ \t]))"""
    r"""(?:[^ \t:#]|:(?=[^ \t])|(?<=[^ \t])\#|[ \t]+(?=[^ \t#]))*"""
)
_SCALAR = r"""'(?P<single>(?:[^']|'')*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<plain>""" + _PLAIN + ")"
_KEY = re.compile("(?:" + _SCALAR + r")[ \t]*:(?=[ \t]|\Z)[ \t]*")
_VALUE = re.compile(_SCALAR)
_REST = re.compile(r"[ \t]*(?:(?<=[ \t])\#.*)?\Z")  # nothing, or a comment
_FLOW = re.compile(r"\[[^][{}'\"#]*\]|\{[^][{}'\"#]*\}")
_LITERAL = re.compile(r"\|(?:(?P<chomp>[-+])?(?P<indent>[1-9])?|(?P<indent2>[1-9])(?P<chomp2>[-+]))(?=[ \t]|\Z)")
_NOTHING = re.compile(r"(?:~|null|Null|NULL|\{[ \t]*\})(?=[ \t]|\Z)")
_MARKER = re.compile(r"(?:---|\.\.\.)(?=[ \t]|\Z)|%")

# Characters that YAML forbids, or that some readers treat as the end of a line and some do not.
_FORBIDDEN = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")

_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_ESCAPES = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r",
    "e": "\x1b", " ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip


def parse(text: str) -> Mapping:
    """Read a text. One without content, or with null as its content, is an empty mapping.
    Raises YAMLError."""
    return _Reader(text).document()


class _Reader:
    def __init__(self, text: str) -> None:
        self._lines = [line[:-1] if line.endswith("\r") else line for line in text.split("\n")]
        self._terminated = self._lines[-1] == ""  # the last line of the text ends with a newline
        if self._terminated:
            self._lines.pop()
        self._at = 0  # lines read so far, which is the number of the line that was read last

    def document(self) -> Mapping:
        root = Mapping(1)
        levels: List[Tuple[int, Mapping]] = []  # indentation and mapping, outermost first
        open_key: Optional[str] = None  # the previous line's key, if a mapping may follow below it
        marked = closed = False  # there was a line `---`; the whole file is null or {}
        while self._at < len(self._lines):
            line = self._next()
            content = line.lstrip(" ")
            indent = len(line) - len(content)
            if content.lstrip(" \t")[:1] in ("", "#"):
                continue
            if content[0] == "\t":
                raise self._wrong("the indentation contains a tab: use spaces")
            if _MARKER.match(line):
                if marked or levels or closed or not (line.startswith("---") and _REST.match(line, 3)):
                    raise self._wrong("directives and more than one document are not supported")
                marked = True
                continue
            nothing = None if levels else _NOTHING.match(content)
            if closed:
                raise self._wrong("nothing may follow null or {} when that is the whole file")
            if nothing and _REST.match(content, nothing.end()):
                closed = True
                continue
            if not levels:
                levels.append((indent, root))
            if indent > levels[-1][0]:
                if open_key is None:
                    raise self._wrong("the indentation does not fit, or a value continues on a second line")
                if len(levels) == MAX_DEPTH:
                    raise self._wrong("mappings are nested too deep")
                below = Mapping(self._at)
                levels[-1][1].entries[open_key] = below
                levels.append((indent, below))
            while len(levels) > 1 and indent < levels[-1][0]:
                levels.pop()
            if indent != levels[-1][0]:
                raise self._wrong("the indentation does not fit that of the lines above")
            open_key = self._entry(content, indent, levels[-1][1])
        return root

    def _next(self) -> str:
        line = self._lines[self._at]
        self._at += 1
        bad = _FORBIDDEN.search(line)
        if bad:
            raise self._wrong("the character U+{:04X} is not supported".format(ord(bad.group())))
        return line

    def _wrong(self, problem: str) -> YAMLError:
        return YAMLError(self._at, problem)

    def _entry(self, content: str, indent: int, mapping: Mapping) -> Optional[str]:
        """Read a `key: value` line into mapping. Return the key if there is no value, so that a
        nested mapping may follow."""
        found = _KEY.match(content)
        if found is None:
            raise self._wrong("want `key: value` on one line")
        key, plain = self._text(found)
        if plain and key == "<<":
            raise self._wrong("merge keys (<<) are not supported")
        if key in mapping.entries:
            raise self._wrong("the key {!r} appears twice".format(key))
        if _REST.match(content, found.end()):
            mapping.entries[key] = Scalar(self._at, "", plain=True)
            return key
        mapping.entries[key] = self._value(content, found.end(), indent)
        return None

    def _value(self, content: str, start: int, indent: int) -> Value:
        line = self._at
        value: Value
        literal = _LITERAL.match(content, start)
        flow = _FLOW.match(content, start)
        found = literal or flow or _VALUE.match(content, start)
        if found is None:
            raise self._wrong("the value is not plain or quoted text that ends on its line: put it in quotes")
        if not _REST.match(content, found.end()):
            raise self._wrong("unexpected text after the value: put the whole value in quotes")
        if literal:
            value = Scalar(line, self._literal(literal, indent))
        elif flow and content[start] == "{" and not flow.group()[1:-1].strip(" \t"):
            value = Mapping(line)
        elif flow:
            value = Flow(line, "a list" if content[start] == "[" else "a mapping in braces")
        else:
            text, plain = self._text(found)
            value = Scalar(line, text, plain)
        return value

    def _text(self, found: re.Match[str]) -> Tuple[str, bool]:
        """The text of a scalar, and whether it is plain."""
        if found["single"] is not None:
            return found["single"].replace("''", "'"), False
        if found["double"] is not None:
            return _ESCAPE.sub(self._escape, found["double"]), False
        return found["plain"].rstrip(" \t"), True

    def _escape(self, found: re.Match[str]) -> str:
        digits = found[1] or found[2] or found[3]
        if digits:
            number = int(digits, 16)
            if number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF:
                return chr(number)
        elif found[4] in _ESCAPES:
            return _ESCAPES[found[4]]
        raise self._wrong("the escape {} is not supported".format(found[0]))

    def _literal(self, header: re.Match[str], parent: int) -> str:
        """Read the lines of a literal block below a key that is indented by parent."""
        digit = header["indent"] or header["indent2"]
        indent = parent + int(digit) if digit else 0  # 0: the first line with text decides
        deepest = 0  # spaces on blank lines before that
        lines: List[str] = []
        while self._at < len(self._lines):
            line = self._lines[self._at]
            spaces = len(line) - len(line.lstrip(" "))
            if spaces < len(line):
                indent = indent or max(spaces, parent + 1)
                if spaces < indent:
                    break
            elif not indent:
                deepest = max(deepest, spaces)
            lines.append(self._next())
        if indent < deepest:
            if indent:
                raise self._wrong("a blank line before the text is indented deeper than the text")
            indent = deepest
        body = "".join(line[indent:] + "\n" for line in lines)
        if body and self._at == len(self._lines) and not self._terminated:
            body = body[:-1]
        chomp = header["chomp"] or header["chomp2"]
        if chomp == "+":
            return body
        text = body.rstrip("\n")
        return text + "\n" if text and len(text) < len(body) and chomp is None else text

"""Reads the part of YAML that configuration files are made of.

Understood are mappings and lists written as indented lines, with values that are
plain, 'single' or "double" quoted words on one line, comments, a first line `---`,
and, without looking into them, block texts (`|`, `>`) and `[...]` and `{...}` that
end on their line. Whatever else YAML has is refused with the number of its line:
it would be misread. Keys may be there once.

A tree knows where its values are in the text, so that one can be changed and
all else stays as it is, byte for byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, NoReturn, Optional, Tuple, Union


class YAMLError(ValueError):
    """What a text has at a line, from 1, is not understood."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__("line {}: {}".format(line, problem))
        self.line = line
        self.problem = problem


@dataclass
class Scalar:
    """A single value. text is what it says, without quotes."""

    line: int  # from 0, as all numbers of lines here
    start: int  # columns of the value as it is written; equal if there is none
    stop: int
    text: str
    quoted: bool

    @property
    def is_null(self) -> bool:
        return not self.quoted and self.text in ("", "~", "null", "Null", "NULL")


@dataclass
class Other:
    """A value that was not looked into; what says what it is."""

    line: int
    what: str


@dataclass
class Mapping:
    """Entries in the order of the text. In one written `{}`, which has none,
    braces is where that is."""

    line: int
    indent: int
    entries: List[Entry]
    braces: Optional[Scalar] = None

    def find(self, key: str) -> Optional[Entry]:
        for entry in self.entries:
            if entry.key == key:
                return entry
        return None


@dataclass
class Entry:
    """A key and its value, which ends before the line end."""

    key: str
    line: int
    indent: int
    colon: int  # column behind the colon
    value: Union[Scalar, Mapping, Other]
    end: int


Value = Union[Scalar, Mapping, Other]

_ESCAPES = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r",
    "e": "\x1b", " ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip
_HEX = {"x": 2, "u": 4, "U": 8}
_REFUSED = {
    "&": "anchors (&) are", "*": "aliases (*) are", "!": "tags (!) are", "%": "directives are",
    "@": "values that begin with @ are", "`": "values that begin with ` are",
    ",": "a comma here is", "]": "a bracket here is", "}": "a brace here is",
    "{": "keys in braces are", "[": "keys in brackets are",
    "|": "keys of several lines are", ">": "keys of several lines are",
}  # fmt: skip
_BLOCK_HEADER = re.compile(r"[|>](?:[+-]?[1-9]?|[1-9][+-])\Z")
_COLON = re.compile(r":(?=[ \t]|\Z)")
_COMMENT = re.compile(r"[ \t]#")
_MARKER = re.compile(r"(?:---|\.\.\.)(?=[ \t]|\Z)")
# Not printable in YAML, or the end of a line to some readers and not to others.
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def parse(text: str) -> Value:
    """Read a text. One with nothing in it is a mapping without entries."""
    return _Parser(text).document()


class _Parser:
    def __init__(self, text: str) -> None:
        self._lines: List[str] = []
        for number, line in enumerate(split(text)):
            content = line[:-2] if line.endswith("\r\n") else line[:-1] if line.endswith("\n") else line
            bad = _CONTROL.search(content)
            if bad:
                self._wrong(number, "the character U+{:04X} is not understood".format(ord(bad.group())))
            self._lines.append(content)

    def document(self) -> Value:
        start = self._content(0, marker=True)
        if start == len(self._lines):
            return Mapping(start, 0, [])
        if self._indent(start) == 0 and not self._is(start, 0, "-") and not self._has_key(start, 0):
            if self._lines[start][0] in "|>":
                self._wrong(start, "a text is not expected here")
            value, end = self._value(start, 0, -1)
            if isinstance(value, Scalar) and value.is_null:
                value = Mapping(start, 0, [], value)
        else:
            value, end = self._block(start)
        rest = self._content(end)
        if rest < len(self._lines):
            self._wrong(rest, "the indentation does not fit, or a value goes on in a second line")
        return value

    def _wrong(self, line: int, problem: str) -> NoReturn:
        raise YAMLError(line + 1, problem)

    # Lines

    def _content(self, line: int, marker: bool = False) -> int:
        """The first line from here on that is not empty and no comment."""
        while line < len(self._lines):
            text = self._lines[line]
            if _MARKER.match(text):
                if not marker or not text.startswith("---") or _before_comment(text, 0)[3:].strip(" \t"):
                    self._wrong(line, "more than one document is not understood")
                marker = False
            elif text.startswith("%"):
                self._wrong(line, "directives are not understood")
            elif text.strip(" \t") and not text.lstrip(" \t").startswith("#"):
                return line
            line += 1
        return line

    def _indent(self, line: int) -> int:
        text = self._lines[line]
        indent = len(text) - len(text.lstrip(" "))
        if text[indent : indent + 1] == "\t":
            self._wrong(line, "there is a tab in the indentation: use spaces")
        return indent

    def _is(self, line: int, indent: int, mark: str) -> bool:
        """Whether a line has this mark of a list or key at its indentation."""
        text = self._lines[line]
        return text[indent : indent + 1] == mark and text[indent + 1 : indent + 2] in ("", " ", "\t")

    # Blocks

    def _block(self, line: int) -> Tuple[Value, int]:
        indent = self._indent(line)
        if self._is(line, indent, "-"):
            return self._list(line, indent)
        return self._mapping(line, indent)

    def _mapping(self, line: int, indent: int) -> Tuple[Value, int]:
        mapping = Mapping(line, indent, [])
        end = line
        while line < len(self._lines) and self._indent(line) == indent:
            if self._is(line, indent, "-"):
                self._wrong(line, "an item of a list is not expected here")
            key, colon = self._key(line, indent)
            if mapping.find(key):
                self._wrong(line, "the key {!r} is there twice".format(key))
            value, end = self._value(line, colon, indent, beside=True)
            mapping.entries.append(Entry(key, line, indent, colon, value, end))
            line = self._content(end)
        self._no_deeper(line, indent)
        return mapping, end

    def _list(self, line: int, indent: int) -> Tuple[Value, int]:
        end = first = line
        while line < len(self._lines) and self._indent(line) == indent and self._is(line, indent, "-"):
            text = self._lines[line]
            # What is behind the dash stands in its column as if there were none.
            self._lines[line] = text = text[:indent] + " " + text[indent + 1 :]
            inner = len(text) - len(text.lstrip(" "))
            if self._is(line, inner, "-") or self._has_key(line, inner):
                _, end = self._block(line)
            else:
                _, end = self._value(line, indent + 1, indent)
            line = self._content(end)
        self._no_deeper(line, indent)
        return Other(first, "a list"), end

    def _no_deeper(self, line: int, indent: int) -> None:
        if line < len(self._lines) and self._indent(line) > indent:
            self._wrong(line, "the indentation does not fit, or a value goes on in a second line")

    # Keys and values

    def _has_key(self, line: int, start: int) -> bool:
        text = self._lines[line]
        if text[start : start + 1] in ("'", '"'):
            _, stop = self._quoted(line, start)
            return bool(_COLON.match(text, len(text) - len(text[stop:].lstrip(" \t"))))
        if text[start : start + 1] in ("{", "[", "#"):
            return False
        found = _COLON.search(_before_comment(text, start), start)
        return found is not None

    def _key(self, line: int, start: int) -> Tuple[str, int]:
        """A key, and the column behind its colon."""
        text = self._lines[line]
        if text[start] in ("'", '"'):
            key, stop = self._quoted(line, start)
            found = _COLON.match(text, len(text) - len(text[stop:].lstrip(" \t")))
        else:
            text = _before_comment(text, start)
            found = _COLON.search(text, start)
            self._plain_start(line, start, "a key")
            key = text[start : found.start()].rstrip(" \t") if found else ""
        if not found or (not key and found.start() == start):
            self._wrong(line, "this is not understood: want `key: value`")
        return key, found.start() + 1

    def _value(self, line: int, column: int, indent: int, beside: bool = False) -> Tuple[Value, int]:
        """The value that begins behind a column, and the line that it ends
        before. It belongs to something at this indentation; if that is a key, a
        list may stand beside, not below it."""
        text = self._lines[line]
        start = len(text) - len(text[column:].lstrip(" \t"))
        mark = text[start : start + 1]
        if mark in ("", "#"):
            below = self._content(line + 1)
            if below < len(self._lines):
                depth = self._indent(below)
                if depth > indent or (beside and depth == indent and self._is(below, depth, "-")):
                    return self._block(below)
            return Scalar(line, column, column, "", False), line + 1
        if mark in ("|", ">"):
            return self._block_text(line, start, indent)
        value: Value
        if mark in ("'", '"'):
            content, stop = self._quoted(line, start)
            value = Scalar(line, start, stop, content, True)
        elif mark in ("{", "["):
            stop = self._flow(line, start)
            value = Other(line, "a list" if mark == "[" else "a mapping in braces")
            if mark == "{" and not text[start + 1 : stop - 1].strip(" \t"):
                value = Mapping(line, indent, [], Scalar(line, start, stop, "", False))
        else:
            self._plain_start(line, start, "a value")
            content = _before_comment(text, start)[start:].rstrip(" \t")
            stop = start + len(content)
            if _COLON.search(content):
                self._wrong(line, "a colon in a value: put the value into quotes")
            value = Scalar(line, start, stop, content, False)
        rest = text[stop:]
        if rest.strip(" \t") and not (rest[0] in " \t" and rest.lstrip(" \t").startswith("#")):
            self._wrong(line, "what comes behind the value is not understood")
        return value, line + 1

    def _plain_start(self, line: int, start: int, what: str) -> None:
        mark = self._lines[line][start]
        if mark in _REFUSED:
            self._wrong(line, _REFUSED[mark] + " not understood")
        if mark in "-?:" and self._is(line, start, mark):
            self._wrong(line, "{} cannot begin with `{} `".format(what, mark))

    def _block_text(self, line: int, start: int, indent: int) -> Tuple[Value, int]:
        text = _before_comment(self._lines[line], start)[start:].rstrip(" \t")
        if not _BLOCK_HEADER.match(text):
            self._wrong(line, "what comes behind `{}` is not understood".format(text[:1]))
        end = line + 1
        digit = re.search("[1-9]", text)
        depth = indent + int(digit.group()) if digit else 0  # of the text; 0: as its first line says
        for number in range(line + 1, len(self._lines)):
            inner = self._lines[number]
            if inner.strip(" "):
                found = len(inner) - len(inner.lstrip(" "))
                depth = depth or max(found, indent + 1)
                if found < depth:
                    break
                end = number + 1
        return Other(line, "a text of several lines"), end

    def _quoted(self, line: int, start: int) -> Tuple[str, int]:
        """What a quoted word says, and the column behind it."""
        text = self._lines[line]
        quote = text[start]
        out: List[str] = []
        at = start + 1
        while at < len(text):
            char = text[at]
            at += 1
            if char != quote and not (char == "\\" and quote == '"'):
                out.append(char)
            elif char == "'" and text[at : at + 1] == "'":
                out.append("'")
                at += 1
            elif char == quote:
                return "".join(out), at
            else:
                piece, at = self._escape(line, at)
                out.append(piece)
        self._wrong(line, "the quote is not closed on its line")

    def _escape(self, line: int, at: int) -> Tuple[str, int]:
        text = self._lines[line]
        mark = text[at : at + 1]
        if mark in _HEX:
            digits = text[at + 1 : at + 1 + _HEX[mark]]
            if re.fullmatch("[0-9A-Fa-f]{%d}" % _HEX[mark], digits):
                number = int(digits, 16)
                if number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF:
                    return chr(number), at + 1 + len(digits)
        elif mark in _ESCAPES:
            return _ESCAPES[mark], at + 1
        self._wrong(line, "the escape \\{} is not understood".format(mark))

    def _flow(self, line: int, start: int) -> int:
        """The column behind the bracket that closes the one at start."""
        text = self._lines[line]
        open_brackets: List[str] = []
        at, previous = start, ","
        while at < len(text):
            char = text[at]
            if char in ("'", '"') and previous in ",:[{":
                _, at = self._quoted(line, at)
                previous = char
                continue
            if char == "#" and text[at - 1] in " \t[]{},":
                break
            if char in "[{":
                open_brackets.append("]" if char == "[" else "}")
            elif char in "]}":
                if char != open_brackets.pop():
                    break
                if not open_brackets:
                    return at + 1
            if char not in " \t":
                previous = char
            at += 1
        self._wrong(line, "`{}` is not closed on its line".format(text[start]))


def split(text: str) -> List[str]:
    """The lines of a text with their ends, which are LF or CRLF."""
    lines = text.split("\n")
    whole = [line + "\n" for line in lines[:-1]]
    return whole + lines[-1:] if lines[-1] else whole


def _before_comment(text: str, start: int) -> str:
    """The text up to a comment that begins behind start."""
    found = _COMMENT.search(text, start)
    return text[: found.start()] if found else text

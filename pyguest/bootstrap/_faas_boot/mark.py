"""The marks below a line of a traceback, which show its failing part.

`traceback` finds them by parsing the line, which takes a millisecond of a run that fails. Nearly all
failing parts are one line of ASCII, for which `mark` finds the same without a parser; a test
compares both. What it does not decide is left to `traceback`.
"""

from __future__ import annotations

import keyword
import re

_STRING = r"""[rRbBuU]{0,2}(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_NUMBER = r"0[xXoObB][\da-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?[jJ]?"
_token = re.compile(r"\s*(?:(%s)|(%s)|([^\W\d]\w*)|(\*\*|//|<<|>>|[-+*/%%@&|^~])|(.))" % (_STRING, _NUMBER)).match
_bracket = re.compile(r"%s|[][(){}]" % _STRING).search
_formatted = re.compile(r"""[fF][rR]?["']|[rR][fF]["']|'''|\"\"\"""").search
_whole = re.compile(r"(return\s+)|[^\W\d]\w*\s*=\s*").fullmatch
_wrapped = re.compile(r"(?:return\b|[\s(]*[^\W\d]\w*[\s)]*=)[\s(]*").fullmatch
_name = re.compile(r"[^\W\d]\w*\s*").fullmatch

_PRIORITY = {"|": 1, "^": 2, "&": 3, "<<": 4, ">>": 4, "+": 5, "-": 5, "*": 6, "/": 6, "//": 6, "%": 6, "@": 6, "**": 8}
# Words of statements, and those that bind less than all operators: what has them is no operation.
_LOOSE = frozenset(keyword.kwlist) - {"True", "False", "None", "await"}


class Unclear(Exception):
    """The marks of a line depend on more than is looked at here."""


def mark(line: str, start: int, end: int) -> str:
    """Return the marks of a stripped line of ASCII, whose failing part is line[start:end]; empty for none.

    Raises Unclear if that takes a parser.
    """
    part = line[start:end]
    if _formatted(part) or line[:1] == "#":
        raise Unclear
    left, right, is_call = _anchors(part)
    before, after = line[:start], line[end:].lstrip()
    if _wrapped(before) and (not after or after[0] in "#;)"):
        value = _whole(before)
        if value is None or after[:1] == ")":
            raise Unclear
        if is_call and (value.lastindex is None or _name(part[:left])):
            return ""  # all of an assignment of a call, or of a return of a call by name
    if left < 0:
        if not before and not after:
            return ""
        return " " * start + "^" * (end - start)
    return " " * start + "~" * left + "^" * (right - left) + "~" * (end - start - right)


def _anchors(part: str) -> tuple[int, int, bool]:
    """Return where the operator, or the brackets of a call or subscript, begin and end; -1 for none.

    The third value is whether it is a call.
    """
    at, size = 0, len(part)
    operator, priority, begins = "", 9, -1
    opened = -1  # where the last bracket at the outermost level opens
    closed = -1  # where it closes
    is_operand = False  # the last token can be the left side of an operation
    is_signed = False  # it begins with a sign
    while at < size:
        token = _token(part, at)
        if token is None:
            break
        at = token.end()
        kind = token.lastindex
        text = token.group(kind)
        if kind == 4:
            if not is_operand:
                if text not in ("+", "-", "~"):
                    raise Unclear
                is_signed = is_signed or begins < 0
                continue
            level = _PRIORITY.get(text)
            if level is None:
                raise Unclear
            if level < priority or level == priority and level != 8:
                operator, priority, begins = text, level, at - len(text)
            is_operand = False
        elif kind == 3:
            if text in _LOOSE:
                return -1, -1, False
            if text == "await":
                raise Unclear
            is_operand = True
        elif kind == 5:
            if text in "([{":
                opened, at = at - 1, _after(part, at)
                closed = at - 1
                is_operand = True
            elif text != ".":
                return -1, -1, False  # a comparison, a tuple, or no expression
        else:
            is_operand = True
    if begins >= 0:
        if priority == 8 and is_signed:
            return -1, -1, False
        ends = begins + len(operator)
        if part[ends : ends + 1] == "(":
            raise Unclear
        return begins, ends, False
    if is_signed or opened <= 0 or closed != size - 1 or part[opened] == "{":
        return -1, -1, False
    return opened, size, part[opened] == "("


def _after(part: str, at: int) -> int:
    """Return the index behind the bracket that closes the one before index `at`."""
    depth = 1
    while depth:
        found = _bracket(part, at)
        if found is None:
            raise Unclear
        at = found.end()
        text = found.group()
        if len(text) == 1:
            depth += 1 if text in "([{" else -1
    return at

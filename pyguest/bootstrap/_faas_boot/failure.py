"""Failures from exceptions: class, type, message, and a traceback of the user's own frames.

A traceback looks as Python prints it: causes and contexts first, then groups as a tree, each
exception with its notes. Frames of other code are left out.

Describing an exception is bounded, whatever it is: a hostile __str__ may loop until the
run's deadline, but no cost here grows with the length of a chain of causes, the size of a
group, the depth of a traceback or the size of a message.
"""

from __future__ import annotations

import itertools
import sys
import traceback as library
from types import CodeType, TracebackType

from _faas_boot import absent, program, values

MAX_MESSAGE = 4096  # characters of an exception's message, and of a note
MAX_LINE = 400  # characters of a source line
MAX_LINES = 100  # of an expression
REPEATS = 3  # frames at the same line that are shown, as in Python
HEAD_FRAMES = 12  # the first frames of a deep traceback that are shown
TAIL_FRAMES = 20  # the last frames of a deep traceback that are shown
MAX_FRAMES = 100_000  # visited at most, of all exceptions
MAX_EXCEPTIONS = 50  # shown at most: causes, contexts and members of groups
MAX_NOTES = 20  # shown of one exception
GROUP_WIDTH = 15  # members shown of a group, as in Python
GROUP_DEPTH = 10  # groups shown within each other, as in Python
# Characters of a whole traceback. The host accepts 256 KiB of JSON in all, in
# which a character takes up to 6 bytes.
MAX_TRACEBACK = 32_000
MAX_NUMBER = 2**31 - 1  # of a line; a SyntaxError raised by the function may have any number

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"

# Read from the exception itself: a class may define attributes of the same names.
_cause = BaseException.__cause__.__get__
_context = BaseException.__context__.__get__
_suppresses = BaseException.__suppress_context__.__get__
_traceback = BaseException.__traceback__.__get__
_members = BaseExceptionGroup.exceptions.__get__


def describe(error: BaseException) -> bytes:
    """Return the exception that ended a deployment or a run, as JSON."""
    kind = type(error)
    if issubclass(kind, values.InvalidResult):
        return _pack("result_invalid", "", str(error))
    if issubclass(kind, values.ResultTooLarge):
        return _pack("result_too_large", "", str(error))
    if issubclass(kind, program.Rejected):
        return _pack("error", "", str(error), line=error.line)
    if issubclass(kind, SystemExit):
        return _exit(error)
    sentence = absent.explain(error)
    line = _innermost(_traceback(error))
    if issubclass(kind, SyntaxError) and not line and program.is_own(_attribute(error, "filename")):
        line = _number(_attribute(error, "lineno"))
    return _pack(
        "memory" if issubclass(kind, MemoryError) else "error",
        type_name(error),
        sentence or _message(error),
        _Report().whole(error, sentence),
        line,
    )


def _pack(kind: str, name: str, message: str, traceback: str = "", line: int = 0, exit_code: int = 0) -> bytes:
    return values.encode_text(
        {
            "class": kind,
            "type": name,
            "message": message,
            "traceback": _shortened(traceback),
            "line": line,
            "exit_code": exit_code,
        }
    )


def _exit(error: BaseException) -> bytes:
    """Describe sys.exit as the interpreter itself would treat its argument."""
    code = _attribute(error, "code")
    if code is None:
        number, message = 0, ""
    elif isinstance(code, int):
        # The low 8 bits, as the exit status of a process.
        number, message = int(code) & 0xFF, ""
    else:
        number, message = 1, _text(code)
    report = _Report().whole(error, "")
    return _pack("exited", "SystemExit", message, report, _innermost(_traceback(error)), number)


def _attribute(error: BaseException, name: str) -> object:
    try:
        return getattr(error, name, None)
    except Exception:
        return None


def type_name(error: BaseException) -> str:
    """Return the name of an exception's type as a traceback shows it."""
    kind = type(error)
    module, name = kind.__module__, kind.__qualname__
    if not isinstance(module, str) or not isinstance(name, str):
        return "Exception"
    if module in ("builtins", "__main__", program.MODULE):
        return name[:200]
    return ("%s.%s" % (module, name))[:200]


def _message(error: BaseException) -> str:
    if issubclass(type(error), SyntaxError):
        return _text(_attribute(error, "msg"))
    return _text(error)


def _text(value: object) -> str:
    try:
        text = str(value)
    except Exception:
        return "<its text could not be made: __str__ raised>"
    if len(text) > MAX_MESSAGE:
        text = text[:MAX_MESSAGE] + "... (%d characters)" % len(text)
    return text


def _shortened(text: str) -> str:
    """Shorten a long traceback in the middle, because its ends are the most useful."""
    if len(text) <= MAX_TRACEBACK:
        return text
    half = MAX_TRACEBACK // 2
    return "%s\n... %d characters ...\n%s" % (text[:half], len(text) - 2 * half, text[-half:])


def _number(value: object) -> int:
    return min(value, MAX_NUMBER) if type(value) is int and value > 0 else 0


class _Report:
    """The text of a traceback, built line by line."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.margin = ""  # of every line, within a group
        self.depth = 0  # groups around the present exception
        self.closing = False  # the present member is its group's last, and no line closes it yet
        self.shown: set[int] = set()
        self.walked = 0

    def whole(self, error: BaseException, sentence: str) -> str:
        """Return the traceback of an exception, with one more note if a sentence is given."""
        self._chain(error, sentence)
        return "".join(self.parts)

    def _emit(self, text: str) -> None:
        if self.margin:
            text = "".join(self.margin + line for line in text.splitlines(True))
        self.parts.append(text)

    def _chain(self, error: BaseException, sentence: str = "") -> None:
        """Add an exception and its causes, oldest first."""
        chain: list[tuple[str, BaseException]] = []
        current: BaseException | None = error
        joint = ""
        while current is not None and id(current) not in self.shown:
            if len(self.shown) >= MAX_EXCEPTIONS:
                self._emit("... more exceptions ...\n" + joint)
                break
            self.shown.add(id(current))
            chain.append((joint, current))
            if _cause(current) is not None:
                current, joint = _cause(current), _CAUSE
            elif not _suppresses(current):
                current, joint = _context(current), _CONTEXT
            else:
                current = None
        for joint, current in reversed(chain):
            self._one(current, sentence if current is error else "")
            if joint:
                self._emit(joint)

    def _one(self, error: BaseException, sentence: str) -> None:
        members = _members(error) if issubclass(type(error), BaseExceptionGroup) else ()
        if members and self.depth > GROUP_DEPTH:
            self._emit("... (groups within groups) ...\n")
            return
        outermost = bool(members) and self.depth == 0
        if outermost:
            self._enter("+")
        frames = self._frames(_traceback(error))
        if frames:
            self._emit("%sTraceback (most recent call last):\n" % ("Exception Group " if members else ""))
        if outermost:
            self._enter("|")
        self._emit("".join(frames))
        self._emit(_final_lines(error))
        self._emit(_notes(error))
        if sentence:
            self._emit(sentence + "\n")
        if members:
            self._group(members)
        if outermost:
            self.depth, self.margin = 0, ""

    def _enter(self, mark: str) -> None:
        self.depth = max(self.depth, 1)
        self.margin = "%s%s " % ("  " * self.depth, mark)

    def _group(self, members: tuple[BaseException, ...]) -> None:
        outer, outer_margin = self.depth, self.margin
        count = min(len(members), GROUP_WIDTH + 1)
        self.closing = False
        for i in range(count):
            if i == count - 1:
                self.closing = True
            title = str(i + 1) if i < GROUP_WIDTH else "..."
            self.parts.append(
                "%s%s+---------------- %s ----------------\n" % ("  " * outer, "+-" if i == 0 else "  ", title)
            )
            self.depth = outer + 1
            self._enter("|")
            if i >= GROUP_WIDTH:
                more = len(members) - GROUP_WIDTH
                self._emit("and %d more exception%s\n" % (more, "s" if more > 1 else ""))
            elif len(self.shown) >= MAX_EXCEPTIONS:
                self._emit("... more exceptions ...\n")
            else:
                self._chain(members[i])
            if i == count - 1 and self.closing:
                self.parts.append("%s+------------------------------------\n" % ("  " * (outer + 1)))
                self.closing = False
            self.depth, self.margin = outer, outer_margin

    def _frames(self, traceback: TracebackType | None) -> list[str]:
        """Format the user's frames of a traceback."""
        head: list[_Frame] = []
        tail: list[_Frame] = []
        runs = 0
        last: _Frame | None = None
        while traceback is not None and self.walked < MAX_FRAMES:
            self.walked += 1
            code = traceback.tb_frame.f_code
            if program.is_own(code.co_filename):
                line = traceback.tb_lineno or 0
                if last is not None and last.line == line and last.code.co_name == code.co_name:
                    last.times += 1
                else:
                    last = _Frame(code, line, traceback.tb_lasti)
                    runs += 1
                    if runs <= HEAD_FRAMES:
                        head.append(last)
                    else:
                        tail.append(last)
                        if len(tail) > TAIL_FRAMES:
                            del tail[0]
            traceback = traceback.tb_next
        parts = [str(frame) for frame in head]
        left_out = runs - len(head) - len(tail)
        if left_out > 0:
            parts.append("  ... %d frames ...\n" % left_out)
        return parts + [str(frame) for frame in tail]


class _Frame:
    """A frame of a traceback, and how many times it comes without another between."""

    def __init__(self, code: CodeType, line: int, instruction: int) -> None:
        self.code = code
        self.line = line
        self.instruction = instruction
        self.times = 1

    def __str__(self) -> str:
        try:
            text = self._as_python_prints()
        except Exception:
            text = ""
        if not text:
            text = '  File "%s", line %d, in %s\n' % (self.code.co_filename, self.line, self.code.co_name[:200])
            source = program.source_line(self.line).strip()
            if source:
                text += "    %s\n" % source[:MAX_LINE]
        if self.times > REPEATS:
            more = self.times - REPEATS
            return text * REPEATS + "  [Previous line repeated %d more time%s]\n" % (more, "s" if more > 1 else "")
        return text * self.times

    def _as_python_prints(self) -> str:
        """Return the lines of an expression that has several, as Python abridges them; else nothing."""
        places = itertools.islice(self.code.co_positions(), self.instruction // 2, None)
        first, end, column, end_column = next(places)
        if first != self.line or not first < end <= first + MAX_LINES or column is None or end_column is None:
            return ""
        lines = [program.source_line(number).rstrip() for number in range(first, end + 1)]
        if max(map(len, lines)) > MAX_LINE:
            return ""
        summary = library.FrameSummary(
            self.code.co_filename, first, self.code.co_name, lookup_line=False,
            end_lineno=end, colno=column, end_colno=end_column,
        )  # fmt: skip
        summary._lines = "\n".join(lines) + "\n"
        shown = library.StackSummary().format_frame_summary(summary).splitlines(True)
        return "".join(line for line in shown if line.strip(" ~^\n"))


def _final_lines(error: BaseException) -> str:
    """Return the lines with the type and the message, as Python prints them after the frames."""
    place = ""
    if issubclass(type(error), SyntaxError):
        place = _place(error)
    message = _message(error)
    if message:
        message = ": " + message + _suggestion(error)
    return "%s%s%s\n" % (place, type_name(error), message)


def _place(error: BaseException) -> str:
    """Return the lines that show where a SyntaxError is."""
    file, line, offset = (_attribute(error, name) for name in ("filename", "lineno", "offset"))
    if type(line) is not int:
        return ""
    own = program.is_own(file)
    name = file if type(file) is str else "<string>"
    lines = ['  File "%s", line %d\n' % (name[:MAX_LINE], min(line, MAX_NUMBER))]
    source = _attribute(error, "text")
    if type(source) is not str:
        source = program.source_line(_number(line)) if own else ""
    source = source.rstrip()
    shown = source.lstrip(" \n\f")[:MAX_LINE]
    if shown:
        lines.append("    %s\n" % shown)
        if type(offset) is int and 0 < offset <= MAX_NUMBER:
            before = offset - 1 - (len(source) - len(source.lstrip(" \n\f")))
            width = 1
            last, end = _attribute(error, "end_lineno"), _attribute(error, "end_offset")
            if last == line and type(end) is int and end > offset:
                width = end - offset
            elif type(last) is int and last > line:
                width = len(shown) - before
            if 0 <= before <= len(shown):
                width = max(1, min(width, len(shown) - before))
                lines.append("    %s%s\n" % ("".join(c if c.isspace() else " " for c in shown[:before]), "^" * width))
    return "".join(lines)


def _notes(error: BaseException) -> str:
    notes = _attribute(error, "__notes__")
    if not isinstance(notes, (list, tuple)):
        return ""
    lines = [_text(note) + "\n" for note in notes[:MAX_NOTES]]
    if len(notes) > MAX_NOTES:
        lines.append("... %d more notes ...\n" % (len(notes) - MAX_NOTES))
    return "".join(lines)


def _suggestion(error: BaseException) -> str:
    """Return what Python adds to the message of a misspelled name."""
    kind = type(error)
    if kind not in (NameError, UnboundLocalError, AttributeError, ImportError, ModuleNotFoundError):
        return ""
    name = error.name_from if issubclass(kind, ImportError) else error.name
    if type(name) is not str:
        return ""
    try:
        meant = library._compute_suggestion_error(error, _traceback(error), name)
    except Exception:
        meant = None
    text = ". Did you mean: '%s'?" % meant if meant else ""
    if issubclass(kind, NameError) and name in sys.stdlib_module_names:
        text += " Or did you" if text else ". Did you"
        text += " forget to import '%s'?" % name
    return text


def _innermost(traceback: TracebackType | None) -> int:
    line = 0
    walked = 0
    while traceback is not None and walked < MAX_FRAMES:
        walked += 1
        if program.is_own(traceback.tb_frame.f_code.co_filename):
            line = traceback.tb_lineno or 0
        traceback = traceback.tb_next
    return line

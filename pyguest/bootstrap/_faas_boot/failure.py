"""Failures from exceptions: class, type, message, and a traceback of the user's own frames.

A traceback looks as Python prints it: causes and contexts first, then groups as a tree, each
exception with its notes, and the failing part of each line is marked. The frames are those of
the function, of modules that it imports from /tmp and of code that it compiles; frames of the
standard library and of this package are left out.

Describing an exception is bounded, whatever it is: a hostile __str__ may loop until the
run's deadline, but no cost here grows with the length of a chain of causes, the size of a
group, the depth of a traceback or the size of a message.
"""

from __future__ import annotations

import itertools
import linecache
import sys
import traceback as library
from types import TracebackType

from _faas_boot import absent, mark, program, values

MAX_MESSAGE = 4096  # characters of an exception's message, and of a note
MAX_LINE = 400  # characters of a source line
MAX_LINES = 100  # of an expression
# Characters of source that are parsed, and instructions whose places are read, to mark the
# failing parts of lines in one report.
MAX_MARKING = 100_000
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
        return _pack("error", "", str(error), line=error.line, advises=str(error) != absent.NO_MAIN)
    if issubclass(kind, SystemExit):
        return _exit(error)
    sentence = absent.explain(error)
    message = _message(error)
    line = _innermost(_traceback(error))
    if issubclass(kind, SyntaxError) and not line and program.is_own(_attribute(error, "filename")):
        line = _number(_attribute(error, "lineno"))
    return _pack(
        "memory" if issubclass(kind, MemoryError) else "error",
        type_name(error),
        sentence or message,
        _Report().whole(error, "" if sentence.partition(": ")[2] in message else sentence),
        line,
        advises=bool(sentence) or absent.is_said_in(message),
    )


def _pack(
    kind: str, name: str, message: str, traceback: str = "", line: int = 0, exit_code: int = 0, *, advises: bool = False
) -> bytes:
    return values.encode_text(
        {
            "class": kind,
            "type": name,
            "message": message,
            "advises": advises,
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
    if module in ("builtins", "__main__", program.MODULE, program.MAIN_MODULE):
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


class _Node:
    """An exception of a report, with what is shown before it and in it."""

    __slots__ = ("before", "error", "is_cut", "joint", "members")

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.before: _Node | None = None  # its cause or context
        self.joint = ""  # the lines between both
        self.members: list[_Node] = []  # the first of a group's
        self.is_cut = False  # a cause, a context or members are left out


def _tree(error: BaseException) -> _Node:
    """Return an exception with its causes, contexts and members, at most MAX_EXCEPTIONS.

    As in Python, a cause or context that is in the tree already is not added again, and the
    last members of a group come first in that respect.
    """
    root = _Node(error)
    seen = {id(error)}
    count = 1
    stack = [root]
    while stack:
        node = stack.pop()
        cause, context = _cause(node.error), _context(node.error)
        before: BaseException | None = None
        if cause is not None:
            before, node.joint = cause, _CAUSE
        elif context is not None and not _suppresses(node.error):
            before, node.joint = context, _CONTEXT
        members = _members(node.error) if issubclass(type(node.error), BaseExceptionGroup) else ()
        if before is not None and id(before) not in seen:
            if count < MAX_EXCEPTIONS:
                count += 1
                seen.add(id(before))
                node.before = _Node(before)
                stack.append(node.before)
            else:
                node.is_cut = True
        for member in members[:GROUP_WIDTH]:
            if count >= MAX_EXCEPTIONS:
                break
            count += 1
            seen.add(id(member))
            node.members.append(_Node(member))
        stack += node.members
    return root


class _Report:
    """The text of a traceback, built line by line."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.margin = ""  # of every line, within a group
        self.depth = 0  # groups around the present exception
        self.closing = False  # the present member is its group's last, and no line closes it yet
        self.walked = 0
        self.marking = MAX_MARKING  # left

    def whole(self, error: BaseException, sentence: str) -> str:
        """Return the traceback of an exception, with one more note if a sentence is given."""
        self._chain(_tree(error), sentence)
        return "".join(self.parts)

    def _emit(self, text: str) -> None:
        if self.margin:
            text = "".join([self.margin + line for line in text.splitlines(True)])
        self.parts.append(text)

    def _chain(self, last: _Node, sentence: str = "") -> None:
        """Add an exception and its causes, oldest first."""
        chain = []
        node: _Node | None = last
        while node is not None:
            chain.append(node)
            node = node.before
        if chain[-1].is_cut:
            self._emit("... more exceptions ...\n" + chain[-1].joint)
        for node in reversed(chain):
            if node.before is not None:
                self._emit(node.joint)
            self._one(node, sentence if node is last else "")

    def _one(self, node: _Node, sentence: str) -> None:
        error = node.error
        members = _members(error) if issubclass(type(error), BaseExceptionGroup) else ()
        if members and self.depth > GROUP_DEPTH:
            self._emit("... (max_group_depth is %d)\n" % GROUP_DEPTH)
            return
        outermost = bool(members) and self.depth == 0
        if outermost:
            self._enter("+")
        traceback = _traceback(error)
        frames = self._frames(traceback)
        # What does not compile has no frames; an exception group may leave main without one of main.
        if frames or traceback is not None and not issubclass(type(error), SyntaxError):
            self._emit("%sTraceback (most recent call last):\n" % ("Exception Group " if members else ""))
        if outermost:
            self._enter("|")
        self._emit("".join(frames))
        self._emit(_final_lines(error))
        self._emit(_notes(error))
        if sentence:
            self._emit(sentence + "\n")
        if members:
            self._group(node.members, len(members))
        if outermost:
            self.depth, self.margin = 0, ""

    def _enter(self, mark: str) -> None:
        self.depth = max(self.depth, 1)
        self.margin = "%s%s " % ("  " * self.depth, mark)

    def _group(self, members: list[_Node], total: int) -> None:
        outer, outer_margin = self.depth, self.margin
        count = min(total, GROUP_WIDTH + 1)
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
                more = total - GROUP_WIDTH
                self._emit("and %d more exception%s\n" % (more, "s" if more > 1 else ""))
            elif i >= len(members):
                self._emit("... more exceptions ...\n")
            else:
                self._chain(members[i])
            if i == count - 1 and self.closing:
                self.parts.append("%s+------------------------------------\n" % ("  " * (outer + 1)))
                self.closing = False
            self.depth, self.margin = outer, outer_margin

    def _frames(self, traceback: TracebackType | None) -> list[str]:
        """Format the user's frames of a traceback."""
        head: list[_Frames] = []
        tail: list[_Frames] = []
        runs = 0
        last: _Frames | None = None
        while traceback is not None and self.walked < MAX_FRAMES:
            self.walked += 1
            if _is_users(traceback.tb_frame.f_code.co_filename):
                if last is None or not last.add(traceback):
                    last = _Frames(traceback)
                    runs += 1
                    if runs <= HEAD_FRAMES:
                        head.append(last)
                    else:
                        tail.append(last)
                        if len(tail) > TAIL_FRAMES:
                            del tail[0]
            traceback = traceback.tb_next
        parts = [self._alike(frames) for frames in head]
        left_out = runs - len(head) - len(tail)
        if left_out > 0:
            parts.append("  ... %d frames ...\n" % left_out)
        return parts + [self._alike(frames) for frames in tail]

    def _alike(self, frames: _Frames) -> str:
        text = "".join([self._frame(traceback) for traceback in frames.shown])
        more = frames.times - len(frames.shown)
        return text + "  [Previous line repeated %d more time%s]\n" % (more, "s" if more > 1 else "") if more else text

    def _frame(self, traceback: TracebackType) -> str:
        code = traceback.tb_frame.f_code
        text = '  File "%s", line %d, in %s\n' % (
            code.co_filename[:MAX_LINE], traceback.tb_lineno or 0, code.co_name[:200]
        )  # fmt: skip
        try:
            return text + self._source(traceback)
        except Exception:  # of classes of the function, such as the loader of a module
            return text

    def _source(self, traceback: TracebackType) -> str:
        """Return the lines of the frame's code, and what marks the failing part of them."""
        frame, index = traceback.tb_frame, traceback.tb_lasti // 2
        code, line = frame.f_code, traceback.tb_lineno or 0
        if not program.is_own(code.co_filename):
            linecache.lazycache(code.co_filename, frame.f_globals)
            linecache.checkcache(code.co_filename)
        first = end = column = end_column = None
        if index <= self.marking:
            self.marking -= index
            first, end, column, end_column = next(itertools.islice(code.co_positions(), index, None))
        if first == line and end is not None and first <= end < first + MAX_LINES:
            lines = [_source_line(code.co_filename, number) for number in range(first, end + 1)]
            size = sum(map(len, lines))
            if column is not None and end_column is not None and size <= self.marking and max(map(len, lines)) <= MAX_LINE:
                self.marking -= size
                return _marked(lines, first, column, end_column)
        text = _source_line(code.co_filename, line).strip()[:MAX_LINE]
        return "    %s\n" % text if text else ""


def _marked(lines: list[str], number: int, column: int, end_column: int) -> str:
    """Return lines of source, of which the first has that number, with marks below them."""
    text = lines[0].lstrip(" \t")
    start, end = (at - len(lines[0]) + len(text) for at in (column, end_column))
    if len(lines) == 1 and text.isascii() and start >= 0:
        if not text:
            return ""
        try:
            marks = mark.mark(text, start, end)
            return "    %s\n    %s\n" % (text, marks) if marks else "    %s\n" % text
        except mark.Unclear:
            pass
    summary = library.FrameSummary(
        "", number, "", lookup_line=False, line="\n".join(lines) + "\n",
        end_lineno=number + len(lines) - 1, colno=column, end_colno=end_column,
    )  # fmt: skip
    return library.StackSummary().format_frame_summary(summary).partition("\n")[2]


class _Frames:
    """Frames of a traceback at the same line, which follow each other."""

    def __init__(self, first: TracebackType) -> None:
        self.shown = [first]
        self.times = 1

    def add(self, traceback: TracebackType) -> bool:
        """Add a frame, unless it is at another line."""
        first, code = self.shown[0], traceback.tb_frame.f_code
        known = first.tb_frame.f_code
        if first.tb_lineno != traceback.tb_lineno or known is not code and (
            known.co_name != code.co_name or known.co_filename != code.co_filename
        ):
            return False
        self.times += 1
        if self.times <= REPEATS:
            self.shown.append(traceback)
        return True


def _is_users(filename: str) -> bool:
    """Return whether code of this file is the user's, neither of the standard library nor of the server."""
    return not filename.startswith(("/usr/lib/", "<frozen "))


def _source_line(filename: str, number: int) -> str:
    """Return a line of source without space at its end; empty if it is not known."""
    if program.is_own(filename):
        return program.source_line(number).rstrip()
    return linecache.getline(filename, number).rstrip()


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

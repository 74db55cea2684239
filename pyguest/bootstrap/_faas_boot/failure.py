"""Failures from exceptions: class, type, message, the user's own frames.

Describing an exception is bounded, whatever it is: a hostile __str__ may loop
until the run's deadline, but no cost here grows with the length of a chain of
causes, the depth of a traceback or the size of a message.
"""

from __future__ import annotations

from types import TracebackType

from _faas_boot import program, values

MAX_MESSAGE = 4096  # characters of an exception's message
MAX_LINE = 400  # characters of a source line
HEAD_FRAMES = 12  # the first frames of a deep traceback that are shown
TAIL_FRAMES = 20  # the last frames of a deep traceback that are shown
MAX_FRAMES = 100_000  # visited at most
MAX_CHAIN = 4  # exceptions shown of a chain of causes
# Characters of a whole traceback. The host accepts 256 KiB of JSON in all, in
# which a character takes up to 6 bytes.
MAX_TRACEBACK = 32_000
MAX_NUMBER = 2**31 - 1  # of a line; a SyntaxError raised by the function may have any number

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"


def describe(error: BaseException) -> bytes:
    """Return the exception that ended a deployment or a run, as JSON."""
    if isinstance(error, values.InvalidResult):
        return _pack("result_invalid", "", str(error))
    if isinstance(error, values.ResultTooLarge):
        return _pack("result_too_large", "", str(error))
    if isinstance(error, program.Rejected):
        return _pack("error", "", str(error), line=error.line)
    if isinstance(error, SystemExit):
        return _exit(error)
    kind = "memory" if isinstance(error, MemoryError) else "error"
    name = type_name(error)
    message = _message(error)
    if isinstance(error, SyntaxError) and program.is_own(error.filename):
        line = _number(error.lineno)
        return _pack(kind, name, message, _syntax(error, line, name, message), line)
    return _pack(kind, name, message, _chain(error), _innermost(error.__traceback__))


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


def _exit(error: SystemExit) -> bytes:
    """Describe sys.exit as the interpreter itself would treat its argument."""
    code = error.code
    if code is None:
        number, message = 0, ""
    elif isinstance(code, int):
        # The low 8 bits, as the exit status of a process.
        number, message = int(code) & 0xFF, ""
    else:
        number, message = 1, _text(code)
    return _pack("exited", "SystemExit", message, _chain(error), _innermost(error.__traceback__), number)


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
    if isinstance(error, SyntaxError):
        return _text(error.msg)
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


def _syntax(error: SyntaxError, line: int, name: str, message: str) -> str:
    lines = ['  File "%s", line %d\n' % (program.filename(), line)]
    source = error.text if isinstance(error.text, str) else program.source_line(line)
    if source.strip():
        stripped = source.strip()[:MAX_LINE]
        lines.append("    %s\n" % stripped)
        column = (_number(error.offset) or 1) - 1 - (len(source) - len(source.lstrip()))
        if 0 <= column <= len(stripped):
            lines.append("    %s^\n" % (" " * column))
    return "%s%s: %s\n" % ("".join(lines), name, message)


def _chain(error: BaseException) -> str:
    """Format an exception and its causes, oldest first."""
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    joint = ""
    while current is not None and id(current) not in seen and len(seen) < MAX_CHAIN:
        seen.add(id(current))
        parts.append(_one(current) + joint)
        if current.__cause__ is not None:
            current, joint = current.__cause__, _CAUSE
        elif current.__context__ is not None and not current.__suppress_context__:
            current, joint = current.__context__, _CONTEXT
        else:
            current = None
    return "".join(reversed(parts))


def _one(error: BaseException) -> str:
    frames = _own_frames(error.__traceback__)
    text = "".join(frames)
    if text:
        text = "Traceback (most recent call last):\n" + text
    message = _message(error)
    return "%s%s%s\n" % (text, type_name(error), ": " + message if message else "")


def _own_frames(traceback: TracebackType | None) -> list[str]:
    head: list[str] = []
    tail: list[str] = []
    count = 0
    walked = 0
    while traceback is not None and walked < MAX_FRAMES:
        walked += 1
        code = traceback.tb_frame.f_code
        if program.is_own(code.co_filename):
            count += 1
            line = traceback.tb_lineno or 0
            text = '  File "%s", line %d, in %s\n' % (code.co_filename, line, code.co_qualname[:200])
            source = program.source_line(line).strip()
            if source:
                text += "    %s\n" % source[:MAX_LINE]
            if count <= HEAD_FRAMES:
                head.append(text)
            else:
                tail.append(text)
                if len(tail) > TAIL_FRAMES:
                    del tail[0]
        traceback = traceback.tb_next
    left_out = count - len(head) - len(tail)
    if left_out > 0:
        head.append("  ... %d frames ...\n" % left_out)
    return head + tail


def _innermost(traceback: TracebackType | None) -> int:
    line = 0
    walked = 0
    while traceback is not None and walked < MAX_FRAMES:
        walked += 1
        if program.is_own(traceback.tb_frame.f_code.co_filename):
            line = traceback.tb_lineno or 0
        traceback = traceback.tb_next
    return line

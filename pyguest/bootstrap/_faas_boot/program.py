"""The single program of this interpreter: loading it, and its properties."""

from __future__ import annotations

import builtins
import functools
import inspect
import io
import linecache
import marshal
import sys
import tokenize
import types
from collections.abc import Callable

from _faas_boot import absent

# The name of the user's module in sys.modules and as __name__. It is fixed, so
# that no function's name can replace a module of the standard library.
MODULE = "function"

MAX_LAYERS = 10  # of partial and __call__ around a function that are looked through

type Main = Callable[[object, object], object]


class Rejected(Exception):
    """The program runs but cannot be a function. `line` is its line, 0 if unknown."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def _absent(args: object, context: object) -> object:
    raise SystemError("no program is loaded")


main: Main = _absent
_filename = ""
_source = b""
_lines: list[str] | None = None  # of the source, once a traceback has needed them


def compile_source(name: str, source: bytes) -> bytes:
    """Compile `source` to code for `load`. Raises the compiler's exceptions."""
    _enter(name, source)
    return marshal.dumps(compile(_text(source), _filename, "exec", dont_inherit=True))


def _text(source: bytes) -> str | bytes:
    """Return a source as text, or as bytes if only the compiler can say what they are.

    A source has been text already when it was sent: a coding cookie says how it was stored before
    that, and would be applied twice.
    """
    try:
        tokenize.detect_encoding(io.BytesIO(source).readline)  # refuses what is not a known encoding
        return source.decode().removeprefix("\ufeff")
    except (SyntaxError, UnicodeDecodeError):
        return source


def load(name: str, source: bytes, code: bytes) -> None:
    """Make compiled code the program: run its module body, find its main.

    Raises the exceptions of the module body, and Rejected for a main that cannot
    be called as main(args, context).
    """
    global main
    _enter(name, source)
    sys.argv[:] = [_filename]
    module = types.ModuleType(MODULE)
    module.__file__ = _filename
    module.__dict__["__builtins__"] = builtins
    sys.modules[MODULE] = module
    # For tracebacks that the function prints itself: read when first needed.
    linecache.cache[_filename] = (lambda: _source.decode("utf-8", "replace"),)
    exec(marshal.loads(code), module.__dict__)
    if "main" not in module.__dict__:
        for other in absent.OTHER_NAMES:
            if isinstance(function := module.__dict__.get(other), types.FunctionType):
                raise Rejected("%s: rename %s to main" % (absent.NO_MAIN, other), _line_of(function))
    main = _checked(module.__dict__.get("main"))


def unload() -> None:
    """Forget the program."""
    global main
    sys.modules.pop(MODULE, None)
    linecache.cache.pop(_filename, None)
    main = _absent
    _enter("", b"")


def _enter(name: str, source: bytes) -> None:
    global _filename, _source, _lines
    _filename = "/function/%s" % (name if name.endswith(".py") else name + ".py")
    _source = source
    _lines = None


def filename() -> str:
    """Return the program's file name as tracebacks show it."""
    return _filename


def is_own(path: object) -> bool:
    """Return whether a code object's file name is the program's."""
    return path == _filename


def source_line(number: int) -> str:
    """Return a line of the program's source, 1-based; empty if there is none."""
    global _lines
    if _lines is None:
        text = _source.decode("utf-8", "replace").removeprefix("\ufeff")
        # Lines as the compiler counts them; str.splitlines knows more ends of lines.
        _lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return _lines[number - 1] if 0 < number <= len(_lines) else ""


def _checked(candidate: object) -> Main:
    if candidate is None:
        raise Rejected(absent.NO_MAIN)
    line = _line_of(candidate)
    if isinstance(candidate, type):
        raise Rejected("main is a class; it must be a function main(args, context)", line)
    if not callable(candidate):
        raise Rejected("main is of type %s; it must be a function main(args, context)" % type(candidate).__name__)
    flags = code.co_flags if (code := _code_of(candidate)) else 0
    if flags & (inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR):
        raise Rejected("main is a generator (it has a yield); it must return its result", line)
    if type(candidate) is types.FunctionType and _takes_two(candidate):
        return candidate  # the usual case, recognised without building a signature
    try:
        signature = inspect.signature(candidate)
    except (TypeError, ValueError):
        return candidate  # a builtin without a signature: the call will show
    try:
        signature.bind(None, None)
    except TypeError:
        raise Rejected(
            "main%s cannot be called with two arguments; it must be main(args, context)" % str(signature)[:200], line
        ) from None
    return candidate


def _code_of(candidate: object) -> types.CodeType | None:
    """Return the code that a call of the candidate runs, if it is Python code."""
    for _ in range(MAX_LAYERS):
        if isinstance(candidate, functools.partial):
            candidate = candidate.func
        elif isinstance(code := getattr(candidate, "__code__", None), types.CodeType):
            return code
        else:
            candidate = getattr(type(candidate), "__call__", None)
    return None


def _takes_two(function: types.FunctionType) -> bool:
    code = function.__code__
    return (
        code.co_argcount == 2
        and code.co_kwonlyargcount == 0
        and not hasattr(function, "__wrapped__")
        and not hasattr(function, "__signature__")
    )


def _line_of(candidate: object) -> int:
    if isinstance(candidate, type):
        line = getattr(candidate, "__firstlineno__", 0)
        return line if isinstance(line, int) else 0
    code = _code_of(candidate)
    return code.co_firstlineno if code else 0

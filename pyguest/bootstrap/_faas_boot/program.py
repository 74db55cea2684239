"""The single program of this interpreter: loading it, and its properties."""

from __future__ import annotations

import builtins
import functools
import importlib.util
import inspect
import io
import linecache
import marshal
import os
import sys
import tokenize
import types
from collections.abc import Callable

from _faas_boot import absent

# The name of the user's module in sys.modules and as __name__. It is fixed, so
# that no function's name can replace a module of the standard library.
MODULE = "function"

# The folder of a bundle, its main file, and the name of the module in that file: other modules of the
# bundle may import it.
FOLDER = "/function"
MAIN_FILE = FOLDER + "/main.py"
MAIN_MODULE = "main"

# The folder to which Python writes bytecode that the host asks for.
BYTECODE = "/tmp/.faaspot-bytecode"

# What Python has imported before any program on Linux, besides builtin modules. A module of a
# bundle may have the name of any other, and replaces it.
_EARLY = frozenset(
    "__main__ _collections_abc _frozen_importlib _frozen_importlib_external _sitebuiltins _sysconfigdata abc codecs"
    " encodings genericpath importlib io os posixpath site stat zipimport faas _faas _faas_boot".split()
)

# The file to which a run writes the modules that it has imported, if the host asks for them.
IMPORTS = "/tmp/.faaspot-imports"
MAX_IMPORTS = 200

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
    _enter(_file_of(name), source)
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
    _enter(_file_of(name), source)
    sys.argv[:] = [_filename]
    module = types.ModuleType(MODULE)
    module.__file__ = _filename
    module.__dict__["__builtins__"] = builtins
    sys.modules[MODULE] = module
    # For tracebacks that the function prints itself: read when first needed.
    linecache.cache[_filename] = (lambda: _source.decode("utf-8", "replace"),)
    exec(marshal.loads(code), module.__dict__)
    main = _main_of(module)


def load_bundle(source: bytes, keeps_bytecode: bool) -> None:
    """Make the bundle at FOLDER the program: run its main file, whose source is given, and find its main.

    With keeps_bytecode, modules that are imported until `loaded` is called leave their bytecode in
    BYTECODE. Raises as `load` does.
    """
    global main
    os.chdir(FOLDER)
    _enter(MAIN_FILE, source)
    absent.has_bundle = True
    sys.path.insert(0, FOLDER)
    sys.argv[:] = [MAIN_FILE]
    _make_way()
    if keeps_bytecode:
        sys.pycache_prefix = BYTECODE
    spec = importlib.util.spec_from_file_location(MAIN_MODULE, MAIN_FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[MAIN_MODULE] = module
    spec.loader.exec_module(module)
    main = _main_of(module)


def loaded() -> None:
    """End what `load_bundle` has begun: modules that are imported from now on leave no bytecode for the host."""
    if sys.pycache_prefix is BYTECODE:
        sys.pycache_prefix = None


def report_imports(loaded: frozenset[str]) -> None:
    """Write the names of the modules that were not loaded before, in the order of their imports, for the host."""
    try:
        names = [name for name in list(sys.modules) if name not in loaded and not name.startswith("_faas")]
        with open(IMPORTS, "w", encoding="utf-8") as file:
            file.write("\n".join(names[:MAX_IMPORTS]))
    except Exception:
        pass  # /tmp is full, or the function has changed what this uses: the report is for convenience


def _make_way() -> None:
    """Forget the preloaded modules that modules of the bundle replace."""
    names = set(os.listdir(FOLDER))
    loaded = {name.partition(".")[0] for name in sys.modules} - _EARLY - set(sys.builtin_module_names)
    replaced = {name for name in loaded if _is_module(name, names)}
    for name in [name for name in sys.modules if name.partition(".")[0] in replaced]:
        del sys.modules[name]


def _is_module(name: str, names: set[str]) -> bool:
    """Return whether the bundle, which has files and folders of these names, has a module or regular package."""
    if name in names:
        return any(os.path.isfile("%s/%s/__init__%s" % (FOLDER, name, end)) for end in (".py", ".pyc"))
    return name + ".py" in names or name + ".pyc" in names


def _main_of(module: types.ModuleType) -> Main:
    if "main" not in module.__dict__:
        for other in absent.OTHER_NAMES:
            if isinstance(function := module.__dict__.get(other), types.FunctionType):
                raise Rejected("%s: rename %s to main" % (absent.NO_MAIN, other), _line_of(function))
    return _checked(module.__dict__.get("main"))


def unload() -> None:
    """Forget the program."""
    global main
    sys.modules.pop(MODULE, None)
    linecache.cache.pop(_filename, None)
    main = _absent
    _enter("", b"")


def _file_of(name: str) -> str:
    return "%s/%s" % (FOLDER, name if name.endswith(".py") else name + ".py")


def _enter(filename: str, source: bytes) -> None:
    global _filename, _source, _lines
    _filename = filename
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

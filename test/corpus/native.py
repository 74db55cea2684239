"""Runs a program of the corpus in native CPython, as a function would run, and prints the outcome."""

import io
import json
import linecache
import mimetypes
import os
import re
import sys
import traceback
import types

DRIVER = "native.py"  # the file name of this code, see native_test.go


def describe():
    import platform
    import sqlite3
    import unicodedata
    import zlib

    print("CPython", platform.python_version(), "on", platform.machine())
    print("SQLite", sqlite3.sqlite_version)
    print("zlib", zlib.ZLIB_RUNTIME_VERSION)
    print("Unicode", unicodedata.unidata_version)


def run():
    """Run the program on standard input. Arguments: its file name, its args as JSON."""
    filename, args = sys.argv[1:3]
    source = sys.stdin.buffer.read()
    os.umask(0o022)
    mimetypes.knownfiles.clear()  # tables of this machine
    real = sys.stdout
    sys.stdout = io.TextIOWrapper(io.BytesIO(), "utf-8", "surrogateescape", line_buffering=True)
    sys.stderr = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace", line_buffering=True)
    sys.stdin = io.StringIO()
    sys.argv = [filename]
    for name in os.environ.keys() - {"HOME", "LANG", "TMPDIR", "USER"}:
        del os.environ[name]
    try:
        outcome = {"result": _result(filename, source, json.loads(args))}
    except BaseException as error:
        outcome = {"error": _failure(error)}
    finally:
        sys.stdout = real
    text = json.dumps(outcome, ensure_ascii=False)
    # A function has the standard library in another folder.
    real.write(text.replace(os.path.dirname(linecache.__file__), "/usr/lib/python3.13"))


def _result(filename, source, args):
    module = types.ModuleType("function")
    module.__file__ = filename
    sys.modules["function"] = module
    text = source.decode()
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    exec(compile(source, filename, "exec", dont_inherit=True), module.__dict__)
    result = module.main(args, {})
    if isinstance(result, types.CoroutineType):
        import asyncio

        result = asyncio.run(result)
    return json.loads(json.dumps(result, allow_nan=False))


def _failure(error):
    exception = traceback.TracebackException.from_exception(error, compact=True)
    _keep_own(exception)
    kind = type(error)
    module = kind.__module__
    name = kind.__qualname__ if module in ("builtins", "function") else module + "." + kind.__qualname__
    # A function's module has the name "function", which tracebacks in it do not show.
    text = re.sub(r"(?m)^([ |]*)function\.", r"\1", "".join(exception.format()))
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return {"type": name, "message": message, "traceback": [text]}


class _Stack(traceback.StackSummary):
    def __bool__(self):
        return True  # the line above the frames stays, even without frames


def _keep_own(exception):
    """Drop the frames of an exception, and of those in and before it, that are this file's or the library's."""
    others = os.path.dirname(linecache.__file__), "<frozen ", DRIVER
    if exception.stack:
        stack = traceback.StackSummary if issubclass(exception.exc_type, SyntaxError) else _Stack
        exception.stack = stack(frame for frame in exception.stack if not frame.filename.startswith(others))
    for other in (exception.__cause__, exception.__context__, *(exception.exceptions or ())):
        if other is not None:
            _keep_own(other)

"""Catches, formats and inspects exceptions in all their forms."""
import contextlib
import io
import sys
import traceback
import warnings


def fail(kind):
    if kind == "chain":
        try:
            {}["a"]
        except KeyError as error:
            raise ValueError("outer") from error
    if kind == "context":
        try:
            1 / 0
        finally:
            int("x")
    if kind == "group":
        raise ExceptionGroup("g", [ValueError(1), ExceptionGroup("h", [TypeError(2), KeyError("k")])])
    if kind == "notes":
        error = RuntimeError("noted")
        error.add_note("one")
        error.add_note("two\nlines")
        raise error
    if kind == "empty":
        raise Exception
    if kind == "args":
        raise ValueError("a", 1, None)
    if kind == "os":
        raise OSError(2, "text", "file", None, "other")
    if kind == "syntax":
        compile("a = (1,\nb = 2", "x.py", "exec")
    if kind == "name":
        lenght = 1
        return length
    if kind == "import":
        from function import fial
    if kind == "attribute":
        return "x".uper()
    if kind == "keyword":
        return print(1, edn="")
    if kind == "unbound":
        if False:
            value = 1
        return value
    if kind == "keyerror":
        return {}[("t", 1)]


def lines(kind):
    try:
        fail(kind)
    except BaseException as error:
        return [type(error).__name__, repr(error), traceback.format_exception(error), traceback.format_exception_only(error, show_group=True)]


def main(args, context):
    out = {kind: lines(kind) for kind in "chain context group notes empty args os syntax name import attribute keyword unbound keyerror".split()}
    try:
        fail("group")
    except ExceptionGroup as group:
        match, rest = group.split(ValueError)
        out["split"] = [repr(match), repr(rest), repr(group.subgroup(lambda e: isinstance(e, KeyError))), group.message, repr(group.derive([OSError()]))]
    try:
        fail("chain")
    except ValueError as error:
        info = traceback.TracebackException.from_exception(error, capture_locals=True, limit=-1)
        frames = traceback.extract_tb(error.__traceback__)
        out["frames"] = [[f.name, f.lineno, f.line, f.colno, f.end_colno, f.end_lineno] for f in frames]
        out["info"] = ["".join(info.format()), info.exc_type_str, str(info.__cause__)]
        out["sys"] = [sys.exc_info()[0].__name__, sys.exception() is error, error.__suppress_context__]
    out["after"] = str(sys.exception())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning)
        eval(compile("'x' is 'x'", "<w>", "eval"))
    out["warnings"] = [[w.category.__name__, str(w.message), w.lineno] for w in caught]
    stream = io.StringIO()
    with contextlib.redirect_stderr(stream), contextlib.suppress(ZeroDivisionError):
        traceback.print_stack(limit=1)
        1 / 0
    out["stack"] = stream.getvalue()
    out["types"] = [[e.__name__, [b.__name__ for b in e.__mro__[1:-2]]] for e in (ModuleNotFoundError, ConnectionResetError, UnicodeDecodeError, BrokenPipeError, RecursionError, TimeoutError, ExceptionGroup)]
    return out

"""Filters, captures and raises warnings, with categories, registries and deprecations."""
import contextlib
import io
import sys
import warnings


class ApiWarning(FutureWarning):
    pass


@warnings.deprecated("use new() instead", category=DeprecationWarning)
def old(x):
    return x


def noisy(n):
    warnings.warn(f"noisy {n}", ApiWarning, stacklevel=2)
    return n


def main(args, context):
    out = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for n in (1, 1, 2):
            noisy(n)
        old(5)
        "\\d".encode()
        exec(compile("'\\d'\nassert (1, 'x')\n1 is 1\n[1][1, 2] if 0 else 0", "gen.py", "exec"))
    out["default"] = [[w.category.__name__, str(w.message), w.lineno if w.filename == "gen.py" else 0] for w in caught]
    with warnings.catch_warnings():
        warnings.simplefilter("error", ApiWarning)
        try:
            noisy(3)
        except ApiWarning as error:
            out["error"] = repr(error)
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        warnings.filterwarnings("ignore", message="noisy 4")
        warnings.filterwarnings("always", category=ApiWarning, append=True)
        noisy(4), noisy(5), noisy(5)
        out["filtered"] = [len(caught), len(warnings.filters)]
    stream = io.StringIO()
    with contextlib.redirect_stderr(stream), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn_explicit("explicit", UserWarning, "file.py", 7)
        warnings.warn("plain")
    out["printed"] = [line for line in stream.getvalue().splitlines()]
    out["format"] = warnings.formatwarning("m", UserWarning, "f.py", 3, "code()")
    out["errors"] = []
    for action in (lambda: warnings.warn("x", int), lambda: warnings.simplefilter("nope"), lambda: warnings.filterwarnings("always", category=int)):
        try:
            action()
        except Exception as error:
            out["errors"].append(f"{type(error).__name__}: {error}")
    out["state"] = [[f[0], f[2].__name__] for f in warnings.filters], sys.warnoptions
    out["deprecated"] = [old.__deprecated__, old.__name__]
    return out

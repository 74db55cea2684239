"""The guest's own Python: prepares the interpreter and runs functions in it.

The host calls five functions here, through guest.c: `boot` once per server start,
`compile_source` and `deploy` once per function version, each in an interpreter
of its own so that the image has no leftovers of the compiler, `run` once per run, and
`resume` whenever a run has waited. They return bytes (a result, JSON) or a tuple of one bytes (a
failure, JSON), and raise only if there is too little memory even to report a failure. `run` and
`resume` return an int while the run waits: the nanoseconds until it is to be resumed.

Nothing here protects the host: code in this interpreter can corrupt it. The
host checks everything that it relies on.
"""

from __future__ import annotations

import os
import sys
import types

import _faas
from _faas_boot import digests, failure, preload, program, renewal, unix, values

type Outcome = bytes | tuple[bytes]
_Coroutine = types.CoroutineType

# Objects that runs need are bound to names of this module, which a function is
# unlikely to modify, and not to attributes of modules that functions patch.
_stdout = sys.stdout
_stderr = sys.stderr
_environ = os.environ
_wrote = _faas.wrote

_main: coroutines.Steps | None = None  # the coroutine of the main that runs
_loaded: frozenset[str] | None = None  # the modules before the run, if it reports what it imports


def boot() -> None:
    """Prepare the interpreter from which every function's image is built."""
    global coroutines
    sys.path[:] = ["/usr/lib/python3.13", "/usr/lib/faaspot/dynload"]
    _stdout.reconfigure(line_buffering=True)
    unix.install()
    # asyncio does without ssl, whose megabyte few functions need, until one imports it: see later.
    sys.modules["ssl"] = None
    preload.import_all()
    digests.install()
    # These import asyncio, and with it modules that must find what unix has changed.
    from _faas_boot import coroutines, inline, later

    del sys.modules["ssl"]
    inline.install()
    later.install()
    sys.dont_write_bytecode = False  # of modules that a function writes to /tmp and imports
    coroutines.warm_up()
    with coroutines.unnumbered():
        _warm_up()
    renewal.imaged = False


def compile_source(name: bytes, source: bytes) -> Outcome:
    """Compile a function's source. The result is code for `deploy`."""
    try:
        return program.compile_source(name.decode(), source)
    except BaseException as error:
        return (failure.describe(error),)


def deploy(name: bytes, source: bytes, code: bytes) -> Outcome:
    """Run the module body of compiled code and check its `main`.

    Without compiled code, the program is the bundle at /function, whose main.py has the source. One
    byte in its place means that bytecode of its modules is wanted.

    The result is `null`.
    """
    try:
        try:
            if len(code) > 1:
                program.load(name.decode(), source, code)
            else:
                program.load_bundle(source, bool(code))
            renewal.warm_up(name.decode())
            renewal.before_image()
        finally:
            program.loaded()
            _flush()
        return b"null"
    except BaseException as error:
        return (failure.describe(error),)


def run(args: bytes, context: bytes) -> Outcome | int:
    """Call the deployed program's `main` and return its result as JSON.

    The context is an object, or an array: the object, environment variables, and if there is a third
    element, the run tells the host what it imports.
    """
    global _loaded, _main
    try:
        try:
            parameters = values.decode(args)
            secrets = values.decode(context)
            if type(secrets) is list:
                secrets, variables, *learns = secrets
                if learns:
                    _loaded = frozenset(sys.modules)
                _environ.update(variables)
                if "TZ" in variables:
                    unix.zone_of_environment()
            renewal.after_restore()
            # Not a plain call, for which the interpreter counts how often its target changes.
            result = program.main(*(parameters, secrets))
            if type(result) is _Coroutine:
                _main = coroutines.steps(result)
                return _advance()
            return values.encode(result)
        finally:
            if _wrote() or _loaded is not None:
                _leave()
    except BaseException as error:
        return (failure.describe(error),)


def resume() -> Outcome | int:
    """Continue a `main` that has waited."""
    try:
        try:
            return _advance()
        finally:
            if _wrote() or _loaded is not None:
                _leave()
    except BaseException as error:
        return (failure.describe(error),)


def _advance() -> bytes | int:
    global _main
    main, _main = _main, None
    try:
        wait = next(main)
    except StopIteration as end:
        return values.encode(end.value)
    _main = main
    return wait


def _leave() -> None:
    """Write what is left to write when the run ends or waits."""
    if _loaded is not None and _main is None:
        program.report_imports(_loaded)
    _flush()


def _flush() -> None:
    for stream in (_stdout, _stderr):
        try:
            stream.flush()
        except Exception:
            pass  # the function closed or replaced it and loses its own output


def _warm_up() -> None:
    """Execute the steps of a run in advance.

    The state that CPython fills on first use (caches, inline specialisation, free
    lists) is then part of the image and not work that each run repeats.
    """
    for text in (_SAMPLE, _ASYNC_SAMPLE, _FAILING_SAMPLE):
        for _ in range(3):
            code = compile_source(b"warm_up", text)
            deploy(b"warm_up", text, code if isinstance(code, bytes) else b"")
            for _ in range(20):
                outcome = run(b'{"name":"x","list":[1,2.5,null,true]}', b'{"key":"value"}')
                while type(outcome) is int:
                    outcome = resume()
    compile_source(b"warm_up", b"def main(:\n")
    program.unload()
    _stdout.flush()


_SAMPLE = b"""import json
def main(args, context):
    return {'output': 'Hello %s' % args.get('name'), 'n': [1, 2.5, None, True]}
"""
_ASYNC_SAMPLE = b"""import asyncio
async def pick(args):
    await asyncio.sleep(0)
    await asyncio.sleep(1e-9)
    return args.get('name')
async def main(args, context):
    async with asyncio.TaskGroup() as group:
        task = group.create_task(pick(args))
    return {'output': await task}
"""
_FAILING_SAMPLE = b"""def pick(items, key):
    return items[key]["no"] + 1
def main(args, context):
    try:
        value = pick(args, "name") if args else len(None)
    except TypeError as error:
        raise ValueError('no') from error
"""

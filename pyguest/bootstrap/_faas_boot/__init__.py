"""The guest's own Python: prepares the interpreter and runs functions in it.

The host calls three things here, through guest.c: `boot` once per server start,
`deploy` once per function version, and `run` once per run. `deploy` and `run`
return bytes (a result, JSON) or a tuple of one bytes (a failure, JSON), and
raise only if memory is too short even to say so.

Nothing here protects the host: code in this interpreter can corrupt it. What
must hold, the host checks.
"""

from __future__ import annotations

import sys

from _faas_boot import failure, preload, program, renewal, values

type Outcome = bytes | tuple[bytes]

# What a program needs is bound to names of this module, which a function would
# have to look for, rather than to attributes of modules that functions patch.
_stdout = sys.stdout
_stderr = sys.stderr


def boot() -> None:
    """Prepare the interpreter that every function's image is made from."""
    sys.path[:] = ["/usr/lib/python313.zip"]
    _stdout.reconfigure(line_buffering=True)
    preload.import_all()
    _warm_up()


def deploy(name: bytes, source: bytes) -> Outcome:
    """Compile `source`, run its module body and check its `main`.

    The result is `null`.
    """
    try:
        try:
            program.load(name.decode(), source)
            renewal.before_image()
        finally:
            _flush()
        return b"null"
    except BaseException as error:
        return (failure.describe(error),)


def run(args: bytes, context: bytes) -> Outcome:
    """Call the deployed program's `main` and return its result as JSON."""
    try:
        try:
            parameters = values.decode(args)
            secrets = values.decode(context)
            renewal.after_restore()
            result = program.main(parameters, secrets)
            return values.encode(result)
        finally:
            _flush()
    except BaseException as error:
        return (failure.describe(error),)


def _flush() -> None:
    for stream in (_stdout, _stderr):
        try:
            stream.flush()
        except ValueError:
            pass  # the function closed it: nothing of it is left to write


def _warm_up() -> None:
    """Go once through what every run does.

    What CPython fills on first use (caches, inline specialisation, free lists)
    is then part of the image and not work that each run does again.
    """
    source = b"def main(args, context):\n    return {'output': 'Hello %s' % args.get('name'), 'n': [1, 2.5, None, True]}\n"
    failing = b"def main(args, context):\n    raise ValueError('no')\n"
    for text in (source, failing):
        for _ in range(3):
            deploy(b"warm_up", text)
            for _ in range(20):
                run(b'{"name":"x","list":[1,2.5,null,true]}', b'{"key":"value"}')
    deploy(b"warm_up", b"def main(:\n")
    program.unload()
    _stdout.flush()

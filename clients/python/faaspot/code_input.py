"""Reads the code, the context and the bundle of a function from a path or an open file."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import IO, Any, Callable, Generator, Union, cast

# A path, or an object whose read() returns text, or bytes that are UTF-8.
CodeInput = Union[str, "os.PathLike[str]", IO[str], IO[bytes]]

# A path, the bytes of a zip file, or an object whose read() returns them.
BundleInput = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, IO[bytes]]

# A path, or an object whose write() takes bytes.
BundleOutput = Union[str, "os.PathLike[str]", IO[bytes]]


def read_code(source: CodeInput, what: str) -> str:
    """Return the text of a source; what names the argument in errors. Raises OSError if a path cannot be
    read, TypeError if source is neither a path nor a file, ValueError if it is not UTF-8."""
    data: Any
    if isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
        with open(source, "rb") as file:
            data = file.read()
    elif hasattr(source, "read"):
        name = str(getattr(source, "name", "object"))
        data = source.read()
    else:
        raise TypeError("{} must be a path or an open file, not {}".format(what, type(source).__name__))
    if isinstance(data, bytes):
        try:
            # A Python file may declare another encoding. It would be wrong once the code is sent as
            # text, so only UTF-8 is accepted.
            data = data.decode("utf-8")
        except UnicodeDecodeError as err:
            raise ValueError("the {} {} is not UTF-8 text: save it as UTF-8".format(what, name)) from err
    if not isinstance(data, str):
        raise TypeError("read() of {} must return text or bytes, not {}".format(what, type(data).__name__))
    return data


def read_bundle(source: BundleInput, what: str) -> Union[bytes, memoryview]:
    """Return the bytes of a zip file, which are in memory once; what names the argument in errors. Raises
    OSError if a path cannot be read, and TypeError if source is neither a path nor bytes nor a file of
    bytes."""
    data: Any
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            data = file.read()
    elif hasattr(source, "read"):
        data = source.read()
        if not isinstance(data, bytes):
            raise TypeError(
                "read() of {} must return bytes, not {}: open it in binary mode".format(what, type(data).__name__)
            )
    elif isinstance(source, (bytes, bytearray, memoryview)):
        data = source if isinstance(source, bytes) else memoryview(source).cast("B")
    else:
        raise TypeError("{} must be a path, bytes or an open file, not {}".format(what, type(source).__name__))
    return cast(Union[bytes, memoryview], data)


@contextlib.contextmanager
def writer(target: BundleOutput, what: str) -> Generator[Callable[[bytes], object], None, None]:
    """Return a function that writes to a target; what names the argument in errors. A path has all that was
    written after the block, or is what it was before if that raises."""
    if hasattr(target, "write"):
        yield target.write
        return
    if not isinstance(target, (str, os.PathLike)):
        raise TypeError("{} must be a path or an open file, not {}".format(what, type(target).__name__))
    path = os.fspath(target)
    part = tempfile.NamedTemporaryFile(dir=os.path.dirname(path) or ".", suffix=".part", delete=False)
    try:
        with part:
            yield part.write
        os.replace(part.name, path)
    except BaseException:
        os.unlink(part.name)
        raise

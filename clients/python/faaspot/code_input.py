"""Reads the code and the context of a function from a path or an open file."""

from __future__ import annotations

import os
from typing import IO, Any, Union

# A path, or an object whose read() returns text, or bytes that are UTF-8.
CodeInput = Union[str, "os.PathLike[str]", IO[str], IO[bytes]]


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

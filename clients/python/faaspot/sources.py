"""Code and contexts, from files or what reads like one."""

from __future__ import annotations

import os
from typing import IO, Any, Union

# A path, or an object whose read() gives text, or bytes that are UTF-8.
Source = Union[str, "os.PathLike[str]", IO[str], IO[bytes]]


def read_source(source: Source, what: str) -> str:
    """The text of a source; what says what it is, in errors."""
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
            # The encoding of a file of Python may be declared in it; one that is
            # not UTF-8 would be declared wrongly once it is sent as text.
            data = data.decode("utf-8")
        except UnicodeDecodeError as err:
            raise ValueError("the {} {} is not UTF-8 text: save it as UTF-8".format(what, name)) from err
    if not isinstance(data, str):
        raise TypeError("read() of {} must give text or bytes, not {}".format(what, type(data).__name__))
    return data

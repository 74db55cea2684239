"""The TLS engines of the host: their operations, what they answer, and the exceptions of the module `ssl`.

A handle is the number of an engine. It is valid in the run that has made it, and in no image:
what a connection of an image does fails as with a connection that the peer has reset.
"""

from __future__ import annotations

from json import loads

from _faas import tls

# Operations, by their numbers in the call of the host.
OPEN, HANDSHAKE, READ, WRITE, SHUTDOWN, FEED, FEED_EOF, DRAIN, INFO, PENDING, ERROR, CLOSE, ROOTS, DECODE, PAIR, CIPHERS = range(1, 17)

# What an operation answers.
OK, WANT_READ, WANT_WRITE, CLOSED, EOF, TIMEOUT, SYSTEM, FAILED, UNVERIFIED = range(9)
STATUS = 0xFF
OUTPUT = 0x100  # the engine has bytes for the transport

FOREVER = -1

_ROOM = 8192  # bytes for an answer in JSON, at first

# The numbers of OpenSSL for reasons, which are the errno of exceptions that no connection raises.
_NUMBERS = {
    "BAD_BASE64_DECODE": 100, "BAD_DECRYPT": 101, "EXTENSION_NOT_RECEIVED": 279, "KEY_TYPE_MISMATCH": 115,
    "KEY_VALUES_MISMATCH": 116, "NOT_ENOUGH_DATA": 142, "NOT_SERVER": 284, "NO_CERTIFICATE_OR_CRL_FOUND": 136,
    "NO_START_LINE": 108, "WRONG_SSL_VERSION": 266,
}  # fmt: skip
_PEM_LIB = 0x80009  # a failure that the library PEM has reported already


class SSLError(OSError):
    """An error occurred in the SSL implementation."""

    __module__ = "ssl"

    def __str__(self):
        return self.strerror if isinstance(self.strerror, str) else str(self.args)


class SSLZeroReturnError(SSLError):
    """SSL/TLS session closed cleanly."""

    __module__ = "ssl"


class SSLWantReadError(SSLError):
    """Non-blocking SSL socket needs to read more data
    before the requested operation can be completed."""

    __module__ = "ssl"


class SSLWantWriteError(SSLError):
    """Non-blocking SSL socket needs to write more data
    before the requested operation can be completed."""

    __module__ = "ssl"


class SSLSyscallError(SSLError):
    """System error when attempting SSL operation."""

    __module__ = "ssl"


class SSLEOFError(SSLError):
    """SSL/TLS connection terminated abruptly."""

    __module__ = "ssl"


class SSLCertVerificationError(SSLError, ValueError):
    """A certificate could not be verified."""

    __module__ = "ssl"


def error(text, line, *, library=None, reason=None, number=0, kind=SSLError):
    """Return an exception as the module _ssl of CPython makes it: line is the line there that raises it."""
    if library is None:
        message = "%s (_ssl.c:%d)" % (text, line)
    elif reason is None:
        message = "[%s] %s (_ssl.c:%d)" % (library, text, line)
    else:
        message = "[%s: %s] %s (_ssl.c:%d)" % (library, reason, text, line)
    made = kind(number, message)
    made.reason, made.library = reason, library
    return made


def ask(handle, op, data=None):
    """Return the answer of an operation that answers in JSON, or None if TLS has failed: see `failure`."""
    status, answer = tls(handle, op, data, _ROOM, FOREVER)
    if type(answer) is int:
        status, answer = tls(handle, op, data, answer, FOREVER)
    return loads(answer) if status & STATUS == OK else None


def failure(handle, line, number=None):
    """Return the exception for the latest failure of an engine, or with the handle 0 of an operation without one.

    The errno of the exception is the number, or without one that of the reason.
    """
    found = ask(handle, ERROR) or {}
    library, reason, text = found.get("library"), found.get("reason"), found.get("text") or "unknown error"
    code, message = found.get("verify_code"), found.get("verify_message")
    if number is None:
        number = _NUMBERS.get(reason, _PEM_LIB if text == "PEM lib" else 1)
    if not code:
        return error(text, line, library=library, reason=reason or None, number=number)
    made = error(text, line, library=library, reason=reason, number=number, kind=SSLCertVerificationError)
    made.verify_code, made.verify_message = code, message
    return made

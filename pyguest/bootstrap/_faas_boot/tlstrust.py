"""Certificates and keys of contexts: what connections trust, and what they identify themselves with.

An image holds no private key. While a function is deployed, load_cert_chain keeps the paths of its
files, and connections read the files again; what a run loads, it keeps.
"""

from __future__ import annotations

import binascii
import os
from json import dumps

from _faas_boot import renewal, tlsengine

MAX_FOLDER = 1 << 20  # bytes of a folder of certificates that are used: what the host takes at once
MAX_PASSWORD = 1024  # bytes, as in OpenSSL

_FIXED = ("/function/", "/usr/", "/etc/")  # folders whose files stay as they are
_KNOWN = 16  # files of these folders whose certificates are remembered

_PRINTABLE = bytes(c if c == 10 or 32 <= c < 127 and c not in b'"\\' else 32 for c in range(256))

_BEGIN = b"-----BEGIN CERTIFICATE-----"
_PEM_LIB = 0x80009  # the number of a failure that OpenSSL's library PEM has reported

_known: dict[str, Roots] = {}  # by path


class Roots:
    """Certificates of authorities, which the host knows by their hash."""

    __slots__ = ("sha256", "_path", "_data")

    def __init__(self, data, path, line):
        answer = tlsengine.ask(0, tlsengine.ROOTS, data)
        if answer is None:
            raise tlsengine.failure(0, line)
        self.sha256 = answer["sha256"]
        # What can be read again is not kept.
        self._path, self._data = (path, None) if path and path.startswith(_FIXED) else (None, data)

    def content(self):
        """Return the certificates, in PEM or DER."""
        return self._data if self._path is None else read(self._path)

    def send(self):
        """Send the certificates to the host again."""
        answer = tlsengine.ask(0, tlsengine.ROOTS, self.content())
        if answer is None:
            raise tlsengine.failure(0, 0)
        self.sha256 = answer["sha256"]

    def certificates(self):
        """Return the certificates, each in DER."""
        data = self.content()
        return sequences(data) if data[:1] == b"\x30" else certificates(data)


def roots_of_file(path, line):
    """Return the certificates of a file, which is read once if it cannot change."""
    path = os.path.abspath(os.fsdecode(path))
    roots = _known.get(path)
    if roots is None:
        data = read(path)
        if b"-----BEGIN " not in data:
            text, reason = "no certificate or crl found", "NO_CERTIFICATE_OR_CRL_FOUND"
            raise tlsengine.error(text, line, library="X509", reason=reason, number=136)
        if _BEGIN in data and not certificates(data):
            raise tlsengine.error("PEM lib", line, library="X509", number=_PEM_LIB)
        roots = Roots(data, path, line)
        if roots._data is None and len(_known) < _KNOWN:
            _known[path] = roots
    return roots


def roots_of_folder(path):
    """Return the certificates of a folder whose files have the names that OpenSSL looks for, or None."""
    found, left = [], MAX_FOLDER
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return None  # as OpenSSL does
    for name in names:
        stem, _, number = name.partition(".")
        if len(stem) != 8 or not number.isdigit():
            continue
        try:
            with open(os.path.join(path, name), "rb") as file:
                text = file.read(left)
        except OSError:
            continue  # of other files alone
        if len(text) < left:
            found.append(text)
            left -= len(text) + 1
    return Roots(b"\n".join(found), None, 0) if found else None


def read(path):
    """Return the bytes of a file. Errors have no file name, as those of OpenSSL."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise OSError(error.errno, error.strerror) from None


def certificates(text):
    """Return the certificates of a text in PEM, in DER."""
    found, at = [], 0
    while (begin := text.find(_BEGIN, at)) >= 0:
        at = text.find(b"-----END CERTIFICATE-----", begin)
        try:
            certificate = binascii.a2b_base64(text[begin + len(_BEGIN) : at])
        except binascii.Error:
            break
        if at < 0 or certificate[:1] != b"\x30":
            break
        found.append(certificate)
    return found


def sequences(data):
    """Return the certificates of data in DER: the sequences that it consists of."""
    found = []
    at = 0
    while at + 2 <= len(data) and data[at] == 0x30:
        length, head = data[at + 1], 2
        if length >= 0x80:
            head += length & 0x7F
            length = int.from_bytes(data[at + 2 : at + min(head, 10)])
        end = at + head + length
        if head > 10 or end > len(data):
            break
        found.append(data[at:end])
        at = end
    return found


def is_authority(certificate):
    """Return whether a certificate, in DER, is that of an authority: by its basic constraints, or by having no extensions."""
    at = certificate.find(b"\x06\x03\x55\x1d\x13")
    if at < 0:
        return certificate.find(b"\xa0\x03\x02\x01\x02") < 0
    rest = certificate[at + 5 :]
    if rest[:3] == b"\x01\x01\xff":
        rest = rest[3:]
    return rest[:1] == b"\x04" and rest[2:3] == b"\x30" and rest[4:7] == b"\x01\x01\xff"


class Identity:
    """The certificate and the private key of a context."""

    __slots__ = ("_chain", "_key", "_password", "_request")

    def __init__(self, chain, key, password):
        self._chain, self._key, self._password = os.path.abspath(chain), os.path.abspath(key), password
        request = self._read()
        try:
            status, _ = tlsengine.tls(0, tlsengine.PAIR, request, None, tlsengine.FOREVER)
            if status & tlsengine.STATUS != tlsengine.OK:
                raise tlsengine.failure(0, 4113)
        except BaseException:
            wipe(request)
            raise
        if renewal.imaged:
            self._request = request
        else:
            wipe(request)
            self._request = None

    def request(self):
        """Return the certificate and the key for the host, in a new buffer."""
        if self._request is not None:
            return self._request[:]
        try:
            return self._read()
        except OSError as error:
            if isinstance(error, tlsengine.SSLError):
                raise
            raise OSError(
                error.errno,
                "the certificate and the key that were loaded when the function was deployed cannot be read again: %s:"
                " keep them in the bundle, or call load_cert_chain in main" % error.strerror,
            ) from None

    def _read(self):
        chain = _secret(self._chain)
        if not certificates(chain):
            wipe(chain)
            raise tlsengine.error("PEM lib", 4092, library="SSL", number=_PEM_LIB)
        key = chain[:] if self._key == self._chain else _secret(self._key)
        try:
            password = self._password
            if callable(password):
                password = _password(password(), "password callback must return a string") if b"ENCRYPTED" in key else None
        except BaseException:
            wipe(chain)
            wipe(key)
            raise
        last = b'"}' if password is None else b'","password":' + dumps(password).encode() + b"}"
        return _joined(b'{"chain":"', _quoted(chain), b'","key":"', _quoted(key), last)


def check_password(password):
    """Check the password for load_cert_chain and return it, a string or a callable."""
    return password if password is None or callable(password) else _password(password, "password should be a string or callable")


def _password(password, message):
    if isinstance(password, str):
        size = len(password.encode())
    elif isinstance(password, (bytes, bytearray)):
        size, password = len(password), bytes(password).decode("utf-8", "surrogateescape")
    else:
        raise TypeError(message)
    if size > MAX_PASSWORD:
        raise ValueError("password cannot be longer than %d bytes" % MAX_PASSWORD)
    return password


# Buffers with a key are wiped before they are freed: free memory is a part of an image.


def _secret(path):
    try:
        with open(path, "rb", buffering=0) as file:
            data = bytearray(os.fstat(file.fileno()).st_size)
            del data[file.readinto(data) :]
            return data
    except OSError as error:
        raise OSError(error.errno, error.strerror) from None


def _quoted(text):
    """Return a text in PEM as in a string of JSON, and wipe it."""
    printable = text.translate(_PRINTABLE, b"\r")
    wipe(text)
    quoted = printable.replace(b"\n", b"\\n")
    wipe(printable)
    return quoted


def _joined(*parts):
    joined = bytearray(sum(map(len, parts)))
    at = 0
    for part in parts:
        joined[at : at + len(part)] = part
        at += len(part)
        wipe(part)
    return joined


def with_identity(settings, identity):
    """Return the settings of an engine, an object in JSON, with a certificate and a key."""
    return _joined(settings[:-1], b',"certificate":', identity.request(), b"}")


def wipe(buffer):
    """Overwrite a buffer that may have a key; a text without one is bytes."""
    if type(buffer) is bytearray:
        buffer[:] = bytes(len(buffer))

"""TLS without connections: the objects of Lib/ssl.py can be made and configured, and no handshake begins.

This module has no OpenSSL: it keeps what programs set, checks it as _ssl of CPython does where that
takes no cryptography, and raises an error that says so where a connection would begin. Certificates are counted and returned, not decoded or verified.
"""

from __future__ import annotations

import binascii
import errno
import os
import warnings

from _faas_boot import absent

_CONSTANTS = (
    "ALERT_DESCRIPTION_ACCESS_DENIED=49 ALERT_DESCRIPTION_BAD_CERTIFICATE=42 "
    "ALERT_DESCRIPTION_BAD_CERTIFICATE_HASH_VALUE=114 ALERT_DESCRIPTION_BAD_CERTIFICATE_STATUS_RESPONSE=113 "
    "ALERT_DESCRIPTION_BAD_RECORD_MAC=20 ALERT_DESCRIPTION_CERTIFICATE_EXPIRED=45 "
    "ALERT_DESCRIPTION_CERTIFICATE_REVOKED=44 ALERT_DESCRIPTION_CERTIFICATE_UNKNOWN=46 "
    "ALERT_DESCRIPTION_CERTIFICATE_UNOBTAINABLE=111 ALERT_DESCRIPTION_CLOSE_NOTIFY=0 "
    "ALERT_DESCRIPTION_DECODE_ERROR=50 ALERT_DESCRIPTION_DECOMPRESSION_FAILURE=30 "
    "ALERT_DESCRIPTION_DECRYPT_ERROR=51 ALERT_DESCRIPTION_HANDSHAKE_FAILURE=40 "
    "ALERT_DESCRIPTION_ILLEGAL_PARAMETER=47 ALERT_DESCRIPTION_INSUFFICIENT_SECURITY=71 "
    "ALERT_DESCRIPTION_INTERNAL_ERROR=80 ALERT_DESCRIPTION_NO_RENEGOTIATION=100 "
    "ALERT_DESCRIPTION_PROTOCOL_VERSION=70 ALERT_DESCRIPTION_RECORD_OVERFLOW=22 "
    "ALERT_DESCRIPTION_UNEXPECTED_MESSAGE=10 ALERT_DESCRIPTION_UNKNOWN_CA=48 "
    "ALERT_DESCRIPTION_UNKNOWN_PSK_IDENTITY=115 ALERT_DESCRIPTION_UNRECOGNIZED_NAME=112 "
    "ALERT_DESCRIPTION_UNSUPPORTED_CERTIFICATE=43 ALERT_DESCRIPTION_UNSUPPORTED_EXTENSION=110 "
    "ALERT_DESCRIPTION_USER_CANCELLED=90 CERT_NONE=0 CERT_OPTIONAL=1 CERT_REQUIRED=2 ENCODING_DER=2 "
    "ENCODING_PEM=1 HOSTFLAG_ALWAYS_CHECK_SUBJECT=1 HOSTFLAG_MULTI_LABEL_WILDCARDS=8 "
    "HOSTFLAG_NEVER_CHECK_SUBJECT=32 HOSTFLAG_NO_PARTIAL_WILDCARDS=4 HOSTFLAG_NO_WILDCARDS=2 "
    "HOSTFLAG_SINGLE_LABEL_SUBDOMAINS=16 OP_ALL=2147483728 "
    "OP_CIPHER_SERVER_PREFERENCE=4194304 OP_ENABLE_KTLS=8 OP_ENABLE_MIDDLEBOX_COMPAT=1048576 "
    "OP_IGNORE_UNEXPECTED_EOF=128 OP_LEGACY_SERVER_CONNECT=4 OP_NO_COMPRESSION=131072 "
    "OP_NO_RENEGOTIATION=1073741824 OP_NO_SSLv2=0 OP_NO_SSLv3=33554432 OP_NO_TICKET=16384 OP_NO_TLSv1=67108864 "
    "OP_NO_TLSv1_1=268435456 OP_NO_TLSv1_2=134217728 OP_NO_TLSv1_3=536870912 OP_SINGLE_DH_USE=0 "
    "OP_SINGLE_ECDH_USE=0 PROTOCOL_SSLv23=2 PROTOCOL_TLS=2 PROTOCOL_TLS_CLIENT=16 PROTOCOL_TLS_SERVER=17 "
    "PROTOCOL_TLSv1=3 PROTOCOL_TLSv1_1=4 PROTOCOL_TLSv1_2=5 PROTO_MAXIMUM_SUPPORTED=-1 "
    "PROTO_MINIMUM_SUPPORTED=-2 PROTO_SSLv3=768 PROTO_TLSv1=769 PROTO_TLSv1_1=770 PROTO_TLSv1_2=771 "
    "PROTO_TLSv1_3=772 SSL_ERROR_EOF=8 SSL_ERROR_INVALID_ERROR_CODE=10 SSL_ERROR_SSL=1 SSL_ERROR_SYSCALL=5 "
    "SSL_ERROR_WANT_CONNECT=7 SSL_ERROR_WANT_READ=2 SSL_ERROR_WANT_WRITE=3 SSL_ERROR_WANT_X509_LOOKUP=4 "
    "SSL_ERROR_ZERO_RETURN=6 VERIFY_ALLOW_PROXY_CERTS=64 VERIFY_CRL_CHECK_CHAIN=12 VERIFY_CRL_CHECK_LEAF=4 "
    "VERIFY_DEFAULT=0 VERIFY_X509_PARTIAL_CHAIN=524288 VERIFY_X509_STRICT=32 VERIFY_X509_TRUSTED_FIRST=32768"
)  # of OpenSSL 3.0
for _entry in _CONSTANTS.split():
    _name, _, _value = _entry.partition("=")
    globals()[_name] = int(_value)
del _entry, _name, _value

HAS_ALPN = HAS_ECDH = HAS_PSK = HAS_SNI = HAS_TLS_UNIQUE = HAS_TLSv1 = HAS_TLSv1_1 = HAS_TLSv1_2 = HAS_TLSv1_3 = True
HAS_NPN = HAS_SSLv2 = HAS_SSLv3 = False

OPENSSL_VERSION = "OpenSSL 3.0.0 (without connections)"
OPENSSL_VERSION_INFO = _OPENSSL_API_VERSION = (3, 0, 0, 0, 0)
OPENSSL_VERSION_NUMBER = 0x30000000
_DEFAULT_CIPHERS = "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"

_PATHS = ("SSL_CERT_FILE", "/usr/lib/ssl/cert.pem", "SSL_CERT_DIR", "/usr/lib/ssl/certs")
_OPTIONS = 0x82520050  # of a new context: all workarounds, no SSL 2 and 3, no compression, the server's order
_CURVES = frozenset("prime256v1 secp256k1 secp384r1 secp521r1 brainpoolP256r1 brainpoolP384r1 brainpoolP512r1".split())
_VERSIONS = frozenset((-2, -1, 0x300, 0x301, 0x302, 0x303, 0x304))  # of minimum_version and maximum_version
_PROTOCOLS = {
    2: "PROTOCOL_TLS", 3: "PROTOCOL_TLSv1", 4: "PROTOCOL_TLSv1_1", 5: "PROTOCOL_TLSv1_2", 16: "", 17: "",
}  # fmt: skip
_OBJECTS = (
    (13, "CN", "commonName", "2.5.4.3"),
    (14, "C", "countryName", "2.5.4.6"),
    (15, "L", "localityName", "2.5.4.7"),
    (16, "ST", "stateOrProvinceName", "2.5.4.8"),
    (17, "O", "organizationName", "2.5.4.10"),
    (18, "OU", "organizationalUnitName", "2.5.4.11"),
    (48, "emailAddress", "emailAddress", "1.2.840.113549.1.9.1"),
    (85, "subjectAltName", "X509v3 Subject Alternative Name", "2.5.29.17"),
    (129, "serverAuth", "TLS Web Server Authentication", "1.3.6.1.5.5.7.3.1"),
    (130, "clientAuth", "TLS Web Client Authentication", "1.3.6.1.5.5.7.3.2"),
    (131, "codeSigning", "Code Signing", "1.3.6.1.5.5.7.3.3"),
    (132, "emailProtection", "E-mail Protection", "1.3.6.1.5.5.7.3.4"),
)
_STATISTICS = (
    "number connect connect_good connect_renegotiate accept accept_good accept_renegotiate hits misses timeouts"
    " cache_full"
).split()


class SSLError(OSError):
    """An error occurred in the SSL implementation."""

    __module__ = "ssl"
    library = reason = None

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


def _no_connection():
    return SSLError(SSL_ERROR_SSL, "TLS connections are absent: " + absent.TLS)


def _failed(library, reason, text):
    error = SSLError(SSL_ERROR_SSL, "[%s] %s" % (library if not reason else "%s: %s" % (library, reason), text))
    error.library, error.reason = library, reason or text
    return error


class _NotMade:
    def __new__(cls, *args, **kwargs):
        raise TypeError("cannot create '_ssl.%s' instances" % cls.__name__)


class SSLSession(_NotMade):
    """The session of a connection; none exists."""


class Certificate(_NotMade):
    """The certificate of a connection; none exists."""


class _SSLSocket(_NotMade):
    """The state of a connection; none exists."""


class MemoryBIO:
    """A buffer in memory between a TLS connection and a program."""

    def __init__(self):
        self._data = bytearray()
        self._ended = False

    @property
    def pending(self):
        """The number of bytes pending in the memory BIO."""
        return len(self._data)

    @property
    def eof(self):
        """Whether the memory BIO is at EOF."""
        return self._ended and not self._data

    def read(self, size=-1, /):
        """Read up to size bytes from the memory BIO."""
        size = len(self._data) if size < 0 else size
        read = bytes(self._data[:size])
        del self._data[:size]
        return read

    def write(self, b, /):
        """Writes the bytes b into the memory BIO, and returns their number."""
        view = memoryview(b)
        if self._ended:
            raise SSLError("cannot write() after write_eof()")
        if not view.c_contiguous:
            raise BufferError("memoryview: underlying buffer is not C-contiguous")
        self._data += view.cast("B") if view.ndim else bytes(view)
        return view.nbytes

    def write_eof(self):
        """Write an EOF marker to the memory BIO."""
        self._ended = True


class _SSLContext:
    """The settings of connections."""

    def __new__(cls, protocol, /):
        if protocol not in _PROTOCOLS:
            raise ValueError("invalid or unsupported protocol version %d" % protocol)
        if _PROTOCOLS[protocol]:
            warnings.warn("ssl.%s is deprecated" % _PROTOCOLS[protocol], DeprecationWarning, 3)
        self = super().__new__(cls)
        self._protocol = int(protocol)
        self._is_client = protocol == PROTOCOL_TLS_CLIENT
        self._check_hostname = self._is_client
        self._verify_mode = CERT_REQUIRED if self._is_client else CERT_NONE
        self._verify_flags = VERIFY_X509_TRUSTED_FIRST
        self._host_flags = HOSTFLAG_NO_PARTIAL_WILDCARDS
        self._minimum = PROTO_MINIMUM_SUPPORTED if protocol in (3, 4, 5) else PROTO_TLSv1_2
        self._maximum = PROTO_MAXIMUM_SUPPORTED
        self._options = _OPTIONS
        self._tickets = 2
        self._authenticates_later = False
        self._sni = self._message = self._keylog = None
        self._certificates = {}  # of authorities, in DER; the values are not used
        return self

    protocol = property(lambda self: self._protocol)
    security_level = property(lambda self: 2)

    @property
    def check_hostname(self):
        return self._check_hostname

    @check_hostname.setter
    def check_hostname(self, value):
        self._check_hostname = bool(value)
        if value and self._verify_mode == CERT_NONE:
            self._verify_mode = CERT_REQUIRED

    @property
    def verify_mode(self):
        return self._verify_mode

    @verify_mode.setter
    def verify_mode(self, value):
        if value not in (CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED):
            raise ValueError("invalid value for verify_mode")
        if value == CERT_NONE and self._check_hostname:
            raise ValueError("Cannot set verify_mode to CERT_NONE when check_hostname is enabled.")
        self._verify_mode = int(value)

    @property
    def verify_flags(self):
        return self._verify_flags

    @verify_flags.setter
    def verify_flags(self, value):
        self._verify_flags = int(value) & 0xFFFFFFFF

    @property
    def options(self):
        return self._options

    @options.setter
    def options(self, value):
        value = int(value)
        if value < 0:
            raise OverflowError("can't convert negative int to unsigned")
        deprecated = (OP_NO_SSLv3 | OP_NO_TLSv1 | OP_NO_TLSv1_1 | OP_NO_TLSv1_2 | OP_NO_TLSv1_3) & value & ~self._options
        if deprecated:
            warnings.warn("ssl.OP_NO_SSL*/ssl.OP_NO_TLS* options are deprecated", DeprecationWarning, 3)
        self._options = value

    @property
    def minimum_version(self):
        return self._minimum

    @minimum_version.setter
    def minimum_version(self, value):
        self._minimum = self._version(value)

    @property
    def maximum_version(self):
        return self._maximum

    @maximum_version.setter
    def maximum_version(self, value):
        self._maximum = self._version(value)

    def _version(self, value):
        if self._protocol in (3, 4, 5):
            raise ValueError("The context's protocol doesn't support modification of highest and lowest version.")
        if value not in _VERSIONS:
            raise ValueError("Unsupported TLS/SSL version 0x%x" % value)
        if value in (0x300, 0x301, 0x302):
            names = {0x300: "SSLv3", 0x301: "TLSv1", 0x302: "TLSv1_1"}
            warnings.warn("ssl.TLSVersion.%s is deprecated" % names[value], DeprecationWarning, 4)
        return int(value)

    @property
    def sni_callback(self):
        return self._sni

    @sni_callback.setter
    def sni_callback(self, value):
        if self._is_client:
            raise ValueError("sni_callback cannot be set on TLS_CLIENT context")
        if value is not None and not callable(value):
            raise TypeError("not a callable object")
        self._sni = value

    @property
    def _msg_callback(self):
        return self._message

    @_msg_callback.setter
    def _msg_callback(self, value):
        if value is not None and not callable(value):
            raise TypeError("%r is not callable." % (value,))
        self._message = value

    @property
    def keylog_filename(self):
        return self._keylog

    @keylog_filename.setter
    def keylog_filename(self, value):
        if value is not None:
            with open(value, "ab"):
                pass
        self._keylog = value

    @property
    def num_tickets(self):
        return self._tickets

    @num_tickets.setter
    def num_tickets(self, value):
        if value < 0:
            raise ValueError("value must be non-negative")
        if self._protocol != PROTOCOL_TLS_SERVER:
            raise ValueError("SSLContext is not a server context.")
        self._tickets = value

    @property
    def post_handshake_auth(self):
        return self._authenticates_later

    @post_handshake_auth.setter
    def post_handshake_auth(self, value):
        self._authenticates_later = bool(value)

    def set_ciphers(self, cipherlist, /):
        """Accept a list of ciphers, whose names are not known here."""
        if not isinstance(cipherlist, str):
            raise TypeError("set_ciphers() argument must be str, not %s" % type(cipherlist).__name__)
        if not cipherlist.strip(": ,"):
            raise SSLError("No cipher can be selected.")

    def get_ciphers(self):
        """Return the ciphers that a connection could use: none."""
        return []

    def _set_alpn_protocols(self, protos, /):
        """Accept the names of protocols."""
        memoryview(protos)

    def set_ecdh_curve(self, name, /):
        """Accept an elliptic curve."""
        text = os.fsdecode(name)
        if text not in _CURVES:
            raise ValueError("unknown elliptic curve name %r" % name)

    def set_psk_client_callback(self, callback):
        """Accept the callback of pre-shared keys, which is not called."""
        if callback is not None and not callable(callback):
            raise TypeError("callback must be callable")

    def set_psk_server_callback(self, callback, identity_hint=None):
        """Accept the callback of pre-shared keys, which is not called."""
        self.set_psk_client_callback(callback)

    def load_cert_chain(self, certfile, keyfile=None, password=None):
        """Check that the files have a certificate and a key."""
        chain = _text_of(certfile)
        key = chain if keyfile is None else _text_of(keyfile)
        if b"-----BEGIN CERTIFICATE-----" not in chain or b"PRIVATE KEY-----" not in key:
            raise _failed("SSL", "", "PEM lib")

    def load_dh_params(self, filepath, /):
        """Check that the file has parameters."""
        if b"-----BEGIN DH PARAMETERS-----" not in _text_of(filepath):
            raise _failed("PEM", "NO_START_LINE", "no start line")

    def load_verify_locations(self, cafile=None, capath=None, cadata=None):
        """Add certificates of authorities. Those of a folder are looked up in connections only."""
        if cafile is None and capath is None and cadata is None:
            raise TypeError("cafile, capath and cadata cannot be all omitted")
        if capath is not None:
            os.fspath(capath)
        if isinstance(cadata, str):
            try:
                text = cadata.encode("ascii")
            except UnicodeEncodeError:
                raise TypeError("cadata should be an ASCII string or a bytes-like object") from None
            found = _certificates(text) if text else None
            missing = "no start line: cadata does not contain a certificate"
        elif cadata is not None:
            try:
                text = bytes(memoryview(cadata))
            except TypeError:
                raise TypeError("cadata should be an ASCII string or a bytes-like object") from None
            found = _sequences(text) if text else None
            missing = "not enough data: cadata does not contain a certificate"
        else:
            found = missing = ()
        if found is None:
            raise ValueError("Empty certificate data")
        if missing and not found:
            raise SSLError(0, missing)
        if cafile is not None:
            of_file = _certificates(_text_of(cafile))
            if not of_file:
                raise _failed("X509", "NO_CERTIFICATE_OR_CRL_FOUND", "no certificate or crl found")
            self._certificates.update(dict.fromkeys(of_file))
        self._certificates.update(dict.fromkeys(found))

    def set_default_verify_paths(self):
        """Load the certificates of the system: there are none but those that the environment names."""
        path = os.environ.get("SSL_CERT_FILE")
        if path:
            try:
                self._certificates.update(dict.fromkeys(_certificates(_text_of(path))))
            except OSError:
                pass  # as OpenSSL does

    def cert_store_stats(self):
        """Return the number of certificates. All count as those of authorities."""
        return {"x509": len(self._certificates), "crl": 0, "x509_ca": len(self._certificates)}

    def get_ca_certs(self, binary_form=False):
        """Return the certificates of authorities, in DER: they are not decoded here."""
        if self._certificates and not binary_form:
            raise NotImplementedError("certificates are not decoded: use binary_form=True: " + absent.TLS)
        return list(self._certificates)

    def session_stats(self):
        """Return numbers of sessions, all 0."""
        return dict.fromkeys(_STATISTICS, 0)

    def _wrap_socket(self, sock, server_side, server_hostname=None, *, owner=None, session=None):
        raise _no_connection()

    def _wrap_bio(self, incoming, outgoing, server_side, server_hostname=None, *, owner=None, session=None):
        raise _no_connection()


def _text_of(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise FileNotFoundError(error.errno, error.strerror) from None
        raise


def _certificates(text):
    """Return the certificates of a text in PEM, in DER."""
    found = []
    for part in text.split(b"-----BEGIN CERTIFICATE-----")[1:]:
        body, end, _ = part.partition(b"-----END CERTIFICATE-----")
        try:
            certificate = binascii.a2b_base64(body)
        except binascii.Error:
            certificate = b""
        if not end or not certificate.startswith(b"\x30"):
            raise _failed("PEM", "BAD_BASE64_DECODE", "bad base64 decode")
        found.append(certificate)
    return found


def _sequences(text):
    """Return the certificates of a text in DER: the sequences that it consists of."""
    found = []
    at = 0
    while at + 2 <= len(text) and text[at] == 0x30:
        length, head = text[at + 1], 2
        if length >= 0x80:
            head += length & 0x7F
            length = int.from_bytes(text[at + 2 : at + min(head, 10)])
        end = at + head + length
        if head > 10 or end > len(text):
            return []
        found.append(text[at:end])
        at = end
    return found if at == len(text) else []


def txt2obj(txt, name=False):
    """Look up an object by its identifier, or by its name too."""
    for known in _OBJECTS:
        if txt == known[3] or name and txt in known[1:3]:
            return known
    raise ValueError("unknown object %r" % txt[:100])


def nid2obj(nid, /):
    """Look up an object by its number."""
    if nid < 0:
        raise ValueError("NID must be positive.")
    for known in _OBJECTS:
        if nid == known[0]:
            return known
    raise ValueError("unknown NID %d" % nid)


def get_default_verify_paths():
    """Return the variables and paths of the certificates of the system."""
    return _PATHS


def RAND_status():  # noqa: N802 # the name of the original
    """Return True: the host has random bytes."""
    return True


def RAND_bytes(n, /):  # noqa: N802
    """Return random bytes of the host."""
    if n < 0:
        raise ValueError("num must be positive")
    return os.urandom(n)


def RAND_add(string, entropy, /):  # noqa: N802
    """Do nothing: the bytes of the host need no seed."""
    if not isinstance(string, str):
        memoryview(string)
    float(entropy)

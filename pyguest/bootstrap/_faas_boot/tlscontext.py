"""The settings of connections: the base class of ssl.SSLContext.

A context holds settings, hashes of certificates and paths, nothing of the host: one that was made
when a function was deployed works in every run.
"""

from __future__ import annotations

import os
import warnings
from _socket import socket as _Socket
from json import dumps
from operator import index

from _faas_boot import tlsconnection, tlsengine, tlstrust

DEFAULT_CIPHERS = "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"
# The variables and the paths of the certificates of the system: of a file, and of a folder.
DEFAULT_PATHS = ("SSL_CERT_FILE", "/usr/lib/ssl/cert.pem", "SSL_CERT_DIR", "/usr/lib/ssl/certs")

_CERT_NONE, _CERT_OPTIONAL, _CERT_REQUIRED = range(3)
_CLIENT, _SERVER = 16, 17  # PROTOCOL_TLS_CLIENT and PROTOCOL_TLS_SERVER
_OPTIONS = 0x82520050  # of a new context: all workarounds, no SSL 2 and 3, no compression, the server's order
_NO_VERSIONS = 0x3E000000  # OP_NO_SSLv3 to OP_NO_TLSv1_3
_CURVES = frozenset("prime256v1 secp256k1 secp384r1 secp521r1 brainpoolP256r1 brainpoolP384r1 brainpoolP512r1 X25519".split())
_VERSIONS = frozenset((-2, -1, 0x300, 0x301, 0x302, 0x303, 0x304))  # of minimum_version and maximum_version
_PROTOCOLS = {
    2: "PROTOCOL_TLS", 3: "PROTOCOL_TLSv1", 4: "PROTOCOL_TLSv1_1", 5: "PROTOCOL_TLSv1_2", 16: "", 17: "",
}  # fmt: skip
_STATISTICS = (
    "number connect connect_good connect_renegotiate accept accept_good accept_renegotiate hits misses timeouts"
    " cache_full"
).split()
_NO_PSK = "PSK is not supported by your OpenSSL version."


class _SSLContext:
    """The settings of connections."""

    __module__ = "_ssl"

    def __new__(cls, protocol, /):
        if protocol not in _PROTOCOLS:
            raise ValueError("invalid or unsupported protocol version %d" % protocol)
        if _PROTOCOLS[protocol]:
            warnings.warn("ssl.%s is deprecated" % _PROTOCOLS[protocol], DeprecationWarning, 3)
        self = super().__new__(cls)
        self._protocol = int(protocol)
        self._is_client = protocol == _CLIENT
        self._check_hostname = self._is_client
        self._verify_mode = _CERT_REQUIRED if self._is_client else _CERT_NONE
        self._verify_flags = 0x8000  # VERIFY_X509_TRUSTED_FIRST
        self._host_flags = 4  # HOSTFLAG_NO_PARTIAL_WILDCARDS
        self._minimum = -2 if protocol in (3, 4, 5) else 0x303
        self._maximum = -1
        self._options = _OPTIONS
        self._tickets = 2
        self._authenticates_later = False
        self._sni = self._message = self._ciphers = self._identity = None
        self._alpn = []
        self._roots = {}  # by hash
        self._folders = []
        self._trusts_system = False
        self._connects = self._accepts = 0
        return self

    protocol = property(lambda self: self._protocol)
    security_level = property(lambda self: 2)

    @property
    def check_hostname(self):
        return self._check_hostname

    @check_hostname.setter
    def check_hostname(self, value):
        self._check_hostname = bool(value)
        if value and self._verify_mode == _CERT_NONE:
            self._verify_mode = _CERT_REQUIRED

    @property
    def verify_mode(self):
        return self._verify_mode

    @verify_mode.setter
    def verify_mode(self, value):
        value = index(value)
        if value == _CERT_NONE and self._check_hostname:
            raise ValueError("Cannot set verify_mode to CERT_NONE when check_hostname is enabled.")
        if value not in (_CERT_NONE, _CERT_OPTIONAL, _CERT_REQUIRED):
            raise ValueError("invalid value for verify_mode")
        self._verify_mode = value

    @property
    def verify_flags(self):
        return self._verify_flags

    @verify_flags.setter
    def verify_flags(self, value):
        self._verify_flags = _integer(value) & 0xFFFFFFFF

    @property
    def options(self):
        return self._options

    @options.setter
    def options(self, value):
        value = _integer(value)
        if value < 0:
            raise OverflowError("can't convert negative int to unsigned")
        if value >= 1 << 64:
            raise OverflowError("int too big to convert")
        if _NO_VERSIONS & value & ~self._options:
            warnings.warn("ssl.OP_NO_SSL*/ssl.OP_NO_TLS* options are deprecated", DeprecationWarning, 3)
        self._options = value

    @property
    def minimum_version(self):
        return self._minimum

    @minimum_version.setter
    def minimum_version(self, value):
        value = self._version(value)
        self._minimum = 0x304 if value == -1 else value

    @property
    def maximum_version(self):
        return self._maximum

    @maximum_version.setter
    def maximum_version(self, value):
        value = self._version(value)
        self._maximum = 0x301 if value == -2 else value

    def _version(self, value):
        if self._protocol in (3, 4, 5):
            raise ValueError("The context's protocol doesn't support modification of highest and lowest version.")
        if value not in _VERSIONS:
            raise ValueError("Unsupported TLS/SSL version 0x%x" % index(value))
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
        return None

    @keylog_filename.setter
    def keylog_filename(self, value):
        if value is not None:
            raise NotImplementedError(
                "the keys of TLS connections are not written to a file: unset keylog_filename and the variable SSLKEYLOGFILE"
            )

    @property
    def num_tickets(self):
        return self._tickets

    @num_tickets.setter
    def num_tickets(self, value):
        if value < 0:
            raise ValueError("value must be non-negative")
        if self._protocol != _SERVER:
            raise ValueError("SSLContext is not a server context.")
        self._tickets = value

    @property
    def post_handshake_auth(self):
        return self._authenticates_later

    @post_handshake_auth.setter
    def post_handshake_auth(self, value):
        self._authenticates_later = bool(value)

    def set_ciphers(self, cipherlist, /):
        """Choose the ciphers of TLS 1.2, by a list as that of OpenSSL."""
        if not isinstance(cipherlist, str):
            raise TypeError("set_ciphers() argument must be str, not %s" % type(cipherlist).__name__)
        if not cipherlist.strip(": ,") or tlsengine.ask(0, tlsengine.CIPHERS, cipherlist.encode()) is None:
            raise tlsengine.SSLError("No cipher can be selected.")
        self._ciphers = cipherlist

    def get_ciphers(self):
        """Return the ciphers that a connection can use."""
        return tlsengine.ask(0, tlsengine.CIPHERS, (self._ciphers or DEFAULT_CIPHERS).encode()) or []

    def _set_alpn_protocols(self, protos, /):
        """Set the names of protocols, each after a byte with its length."""
        data = bytes(protos)
        names, at = [], 0
        while at < len(data):
            names.append(data[at + 1 : at + 1 + data[at]].decode("latin-1"))
            at += 1 + data[at]
        self._alpn = names

    def set_ecdh_curve(self, name, /):
        """Accept an elliptic curve; connections choose among those that are considered strong."""
        text = os.fsdecode(name)
        if text not in _CURVES:
            raise ValueError("unknown elliptic curve name %r" % name)

    def set_psk_client_callback(self, callback):
        """Raise an error: there are no pre-shared keys."""
        raise NotImplementedError(_NO_PSK)

    def set_psk_server_callback(self, callback, identity_hint=None):
        """Raise an error: there are no pre-shared keys."""
        raise NotImplementedError(_NO_PSK)

    def load_cert_chain(self, certfile, keyfile=None, password=None):
        """Set the certificate and the private key that connections use."""
        chain = _path(certfile, "certfile")
        key = chain if keyfile is None else _path(keyfile, "keyfile")
        self._identity = tlstrust.Identity(chain, key, tlstrust.check_password(password))

    def load_dh_params(self, filepath, /):
        """Check that the file has parameters; connections use elliptic curves."""
        if b"-----BEGIN DH PARAMETERS-----" not in tlstrust.read(filepath):
            raise tlsengine.error("no start line", 4400, library="PEM", reason="NO_START_LINE", number=108)

    def load_verify_locations(self, cafile=None, capath=None, cadata=None):
        """Add certificates of authorities."""
        if cafile is None and capath is None and cadata is None:
            raise TypeError("cafile, capath and cadata cannot be all omitted")
        if cafile is not None:
            cafile = _path(cafile, "cafile")
        if capath is not None:
            capath = _path(capath, "capath")
        if cadata is not None:
            self._load(cadata)
        if cafile is not None:
            roots = tlstrust.roots_of_file(cafile, 4345)
            self._roots[roots.sha256] = roots
        if capath is not None and capath not in self._folders:
            self._folders.append(capath)

    def _load(self, data):
        if isinstance(data, str):
            try:
                data = data.encode("ascii")
            except UnicodeEncodeError:
                raise TypeError("cadata should be an ASCII string or a bytes-like object") from None
            good, missing = tlstrust.certificates(data), "no start line"
        else:
            try:
                data = bytes(memoryview(data))
            except TypeError:
                raise TypeError("cadata should be an ASCII string or a bytes-like object") from None
            good, missing = tlstrust.sequences(data), "not enough data"
        if not data:
            raise ValueError("Empty certificate data")
        if not good:
            raise tlsengine.error("%s: cadata does not contain a certificate" % missing, 4211)
        if data[:1] == b"\x30" and sum(map(len, good)) < len(data):
            raise tlsengine.error("not enough data", 4224, library="ASN1", reason="NOT_ENOUGH_DATA", number=142)
        roots = tlstrust.Roots(data, None, 4224)
        self._roots[roots.sha256] = roots

    def set_default_verify_paths(self):
        """Trust the authorities of the system, or those that the environment names."""
        file, folder = os.environ.get(DEFAULT_PATHS[0]), os.environ.get(DEFAULT_PATHS[2])
        if file:
            try:
                self.load_verify_locations(file)
            except OSError:
                pass  # as OpenSSL does
        if folder:
            self.load_verify_locations(None, folder)
        if not file or not folder:
            self._trusts_system = True

    def _certificates(self):
        """Return the certificates of authorities, in DER, without those of folders."""
        all_roots = list(self._roots.values())
        if self._trusts_system:
            try:
                all_roots.append(tlstrust.roots_of_file(DEFAULT_PATHS[1], 0))
            except OSError:
                pass  # as OpenSSL does
        return list(dict.fromkeys(certificate for roots in all_roots for certificate in roots.certificates()))

    def cert_store_stats(self):
        """Return the numbers of certificates."""
        all_certificates = self._certificates()
        return {"x509": len(all_certificates), "crl": 0, "x509_ca": sum(map(tlstrust.is_authority, all_certificates))}

    def get_ca_certs(self, binary_form=False):
        """Return the certificates of authorities, as dicts or in DER."""
        found = [certificate for certificate in self._certificates() if tlstrust.is_authority(certificate)]
        return found if binary_form else [tlsconnection.decoded(certificate) for certificate in found]

    def session_stats(self):
        """Return the numbers of handshakes that have begun; no sessions are kept here."""
        return dict.fromkeys(_STATISTICS, 0) | {
            "connect": self._connects, "connect_good": self._connects, "accept": self._accepts, "accept_good": self._accepts
        }  # fmt: skip

    def _wrap_socket(self, sock, server_side, server_hostname=None, *, owner=None, session=None):
        if not isinstance(sock, _Socket):
            raise TypeError("_wrap_socket() argument 'sock' must be _socket.socket, not %s" % type(sock).__name__)
        return self._connection(sock, None, None, server_side, server_hostname, owner, session)

    def _wrap_bio(self, incoming, outgoing, server_side, server_hostname=None, *, owner=None, session=None):
        for name, value in (("incoming", incoming), ("outgoing", outgoing)):
            if not isinstance(value, tlsconnection.MemoryBIO):
                raise TypeError("_wrap_bio() argument '%s' must be _ssl.MemoryBIO, not %s" % (name, type(value).__name__))
        return self._connection(None, incoming, outgoing, server_side, server_hostname, owner, session)

    def _connection(self, sock, incoming, outgoing, server_side, server_hostname, owner, session):
        if server_side and self._is_client:
            raise tlsengine.error("Cannot create a server socket with a PROTOCOL_TLS_CLIENT context", 819)
        if not server_side and self._protocol == _SERVER:
            raise tlsengine.error("Cannot create a client socket with a PROTOCOL_TLS_SERVER context", 826)
        if server_hostname is not None:
            server_hostname = server_hostname.encode("ascii").decode("ascii")
            if "\0" in server_hostname:
                raise TypeError("argument must be encoded string without null bytes, not str")
            if not server_hostname or server_hostname.startswith("."):
                raise ValueError("server_hostname cannot be an empty string or start with a leading dot.")
        return tlsconnection.connection(self, sock, incoming, outgoing, server_side, server_hostname, owner, session)

    def _engine(self, descriptor, server_side, server_hostname, session):
        """Return the handle of a new engine with these settings."""
        roots = list(self._roots.values())
        if self._verify_mode != _CERT_NONE:
            roots += filter(None, map(tlstrust.roots_of_folder, self._folders))
        for attempt in range(2):
            settings = self._settings(server_side, server_hostname, session, roots)
            try:
                status, handle = tlsengine.tls(descriptor, tlsengine.OPEN, settings, None, tlsengine.FOREVER)
            finally:
                tlstrust.wipe(settings)
            if status & tlsengine.STATUS == tlsengine.OK:
                break
            error = tlsengine.failure(0, 852, 1)
            if attempt or error.reason != "ROOTS_UNKNOWN":
                raise error
            for trusted in roots:
                trusted.send()
        if server_side:
            self._accepts += 1
        else:
            self._connects += 1
        return handle

    def _settings(self, server_side, server_hostname, session, roots):
        settings = {
            "server_side": server_side, "check_hostname": self._check_hostname, "verify_mode": self._verify_mode,
            "verify_flags": self._verify_flags, "host_flags": self._host_flags, "minimum_version": self._minimum,
            "maximum_version": self._maximum, "options": self._options, "default_roots": self._trusts_system,
            "roots": [trusted.sha256 for trusted in roots],
        }  # fmt: skip
        if server_hostname is not None:
            settings["server_hostname"] = server_hostname
        if self._alpn:
            settings["alpn"] = self._alpn
        if self._ciphers:
            settings["ciphers"] = self._ciphers
        if session:
            settings["session"] = session
        text = dumps(settings).encode()
        return text if self._identity is None else tlstrust.with_identity(text, self._identity)

    def __reduce_ex__(self, protocol, /):
        raise TypeError("cannot pickle %r object" % type(self).__name__)


def _integer(value):
    if not isinstance(value, int):
        raise TypeError("argument must be int, not %s" % type(value).__name__)
    return int(value)


def _path(path, name):
    try:
        return os.fsdecode(path)
    except TypeError:
        raise TypeError("%s should be a valid filesystem path" % name) from None

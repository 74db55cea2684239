"""The functions of OpenSSL's hashes that programs import from its module, by those of hashlib and hmac."""

from __future__ import annotations

from _operator import _compare_digest as compare_digest

import _faas

# As the modules were at the start: a program may import others by these names anew.
from _faas_boot.digests import UnsupportedDigestmodError, hashlib, hmac, pbkdf2_hmac, scrypt

HASH = HASHXOF = _faas.HASH
openssl_md_meth_names = frozenset(hashlib.algorithms_available)


def new(name, *args, **kwargs):
    """Return a hash object of an algorithm that hashlib knows."""
    try:
        return hashlib.new(name, *args, **kwargs)
    except ValueError:
        raise UnsupportedDigestmodError("[digital envelope routines] unsupported") from None


def hmac_new(key, msg=b"", digestmod=None):
    """Return a new hmac object."""
    if digestmod is None:
        raise TypeError("Missing required parameter 'digestmod'.")
    return hmac.HMAC(key, msg, digestmod)


def hmac_digest(key, msg, digest):
    """Single-shot HMAC."""
    return hmac.digest(key, msg, digest)


def get_fips_mode():
    """Return 0: the hashes are not a validated module."""
    return 0


for _name in (
    "md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_224", "sha3_256", "sha3_384", "sha3_512",
    "shake_128", "shake_256",
):  # fmt: skip
    globals()["openssl_" + _name] = getattr(hashlib, _name)
del _name

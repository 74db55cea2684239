"""What OpenSSL adds to hashlib on Linux, by the C code in pyguest/guest/digest.c."""

from __future__ import annotations

import functools
import hashlib
import hmac

import _faas

_DIGESTS = ("ripemd160", "sha512_224", "sha512_256", "sm3")
_MAX_MEMORY = 32 * 1024 * 1024  # of scrypt without maxmem, as OpenSSL has it
_MAX_INT = 2**31 - 1
_ALIASES = {
    "md5": "md5", "sha1": "sha1", "sha-1": "sha1", "sha224": "sha224", "sha-224": "sha224", "sha2-224": "sha224",
    "sha256": "sha256", "sha-256": "sha256", "sha2-256": "sha256", "sha384": "sha384", "sha-384": "sha384",
    "sha512": "sha512", "sha-512": "sha512", "sha512_224": "sha512_224", "sha512-224": "sha512_224",
    "sha512_256": "sha512_256", "sha512-256": "sha512_256", "ripemd160": "ripemd160", "rmd160": "ripemd160",
    "ripemd": "ripemd160", "ripemd-160": "ripemd160", "sm3": "sm3", "ssl3-md5": "md5", "ssl3-sha1": "sha1",
}  # fmt: skip

_PYTHONS_ALIASES = {
    "blake2b512": "blake2b", "blake2b-512": "blake2b", "blake2s256": "blake2s", "blake2s-256": "blake2s",
    "shake128": "shake_128", "shake-128": "shake_128", "shake256": "shake_256", "shake-256": "shake_256",
    "sha3-224": "sha3_224", "sha3-256": "sha3_256", "sha3-384": "sha3_384", "sha3-512": "sha3_512",
}  # fmt: skip


class UnsupportedDigestmodError(ValueError):
    """No digest has that name, or it cannot be used here."""

    __module__ = "_hashlib"


class MD5SHA1:
    """The digests of MD5 and SHA-1, one after the other, as TLS 1.0 uses them."""

    name = "md5-sha1"
    digest_size = 36
    block_size = 64

    def __init__(self, data=b"") -> None:
        self._parts = hashlib.md5(data), hashlib.sha1(data)

    def update(self, data) -> None:
        for part in self._parts:
            part.update(data)

    def digest(self) -> bytes:
        return b"".join(part.digest() for part in self._parts)

    def hexdigest(self) -> str:
        return self.digest().hex()

    def copy(self) -> MD5SHA1:
        copy = MD5SHA1.__new__(MD5SHA1)
        copy._parts = tuple(part.copy() for part in self._parts)
        return copy


def install() -> None:
    """Add digests, pbkdf2_hmac and scrypt to hashlib."""
    constructors = hashlib.__dict__["__builtin_constructor_cache"]
    constructors = _Constructors(constructors)
    hashlib.__dict__["__builtin_constructor_cache"] = constructors
    for name in _DIGESTS:
        constructors[name] = _constructor(name)
    constructors["md5-sha1"] = _md5_sha1
    hashlib.algorithms_available |= {*_DIGESTS, "md5-sha1"}
    hmac.HMAC._init_old = _init_hmac
    for function in (pbkdf2_hmac, scrypt):
        function.__module__ = "hashlib"
        setattr(hashlib, function.__name__, function)
    hashlib.__all__ += ("pbkdf2_hmac", "scrypt")


class _Constructors(dict):
    """The cache of hashlib.new, which also finds the other names that OpenSSL has for an algorithm."""

    def get(self, name, default=None):
        found = super().get(name)
        if found is None and isinstance(name, str):
            folded = name.lower()
            folded = _ALIASES.get(folded) or _PYTHONS_ALIASES.get(folded, folded)
            if folded != name:
                found = getattr(hashlib, folded) if folded in hashlib.algorithms_guaranteed else super().get(folded)
        return default if found is None else found


def _constructor(name: str) -> object:
    def construct(data=b"", *, usedforsecurity=True):
        return _faas.HASH(name, data)

    construct.__name__ = "openssl_" + name
    return construct


_init_any_hmac = hmac.HMAC._init_old


def _init_hmac(self, key, msg, digestmod):
    _init_any_hmac(self, key, msg, digestmod)
    if self.digest_size == 0:
        raise ValueError("unsupported hash type %s: its digests have no fixed size" % self._inner.name)


def _md5_sha1(data=b"", *, usedforsecurity=True):
    return MD5SHA1(data)


def pbkdf2_hmac(hash_name, password, salt, iterations, dklen=None):
    """Password based key derivation function 2 (PKCS #5 v2.0) with HMAC as pseudorandom function."""
    if not isinstance(hash_name, str):
        raise TypeError("pbkdf2_hmac() argument 'hash_name' must be str, not %s" % type(hash_name).__name__)
    name = hash_name.lower()
    if name not in _ALIASES:
        name = _PYTHONS_ALIASES.get(name, name)
        try:
            size = hashlib.new(name).digest_size
        except ValueError:
            raise UnsupportedDigestmodError("[digital envelope routines] unsupported") from None
        if size == 0:
            raise UnsupportedDigestmodError("unsupported hash type %s: its digests have no fixed size" % name)
    else:
        size = _faas.HASH(_ALIASES[name]).digest_size
    for value, what in ((password, "password"), (salt, "salt")):
        if isinstance(value, str):
            raise TypeError("a bytes-like object is required, not 'str'")
        memoryview(value)
    if not isinstance(iterations, int):
        raise TypeError("'%s' object cannot be interpreted as an integer" % type(iterations).__name__)
    if iterations < 1:
        raise ValueError("iteration value must be greater than 0.")
    if iterations > _MAX_INT:
        raise OverflowError("iteration value is too great.")
    if dklen is None:
        dklen = size
    if not isinstance(dklen, int):
        raise TypeError("'%s' object cannot be interpreted as an integer" % type(dklen).__name__)
    if dklen < 1:
        raise ValueError("key length must be greater than 0.")
    if dklen > _MAX_INT:
        raise OverflowError("key length is too great.")
    if name in _ALIASES:
        return _faas.pbkdf2_hmac(_ALIASES[name], password, salt, iterations, dklen)
    return _pbkdf2(name, bytes(password), bytes(salt), iterations, dklen)


def _pbkdf2(name: str, password: bytes, salt: bytes, iterations: int, length: int) -> bytes:
    """PBKDF2 of an algorithm that only Python's modules have, such as SHA-3."""
    keyed = hmac.new(password, None, functools.partial(hashlib.new, name))
    blocks = []
    for number in range(1, -(-length // keyed.digest_size) + 1):
        step = keyed.copy()
        step.update(salt + number.to_bytes(4))
        block = step.digest()
        total = int.from_bytes(block)
        for _ in range(iterations - 1):
            step = keyed.copy()
            step.update(block)
            block = step.digest()
            total ^= int.from_bytes(block)
        blocks.append(total.to_bytes(len(block)))
    return b"".join(blocks)[:length]


def scrypt(password, *, salt, n, r, p, maxmem=0, dklen=64):
    """scrypt password-based key derivation function."""
    for value in (password, salt):
        if isinstance(value, str):
            raise TypeError("a bytes-like object is required, not 'str'")
        memoryview(value)
    for name, value in (("n", n), ("r", r), ("p", p)):
        if not isinstance(value, int):
            raise TypeError("%s is required and must be an unsigned int" % name)
        if value < 0:
            raise ValueError("%s is required and must be an unsigned int" % name)
    if n < 2 or n & (n - 1):
        raise ValueError("n must be a power of 2.")
    if not 0 <= maxmem <= _MAX_INT:
        raise ValueError("maxmem must be positive and smaller than %d" % _MAX_INT)
    if not 1 <= dklen <= _MAX_INT:
        raise ValueError("dklen must be greater than 0 and smaller than %d" % _MAX_INT)
    if r < 1 or p < 1 or p * r >= 2**30 or 128 * r * (p + n + 2) > (maxmem or _MAX_MEMORY):
        raise ValueError("Invalid parameter combination for n, r, p, maxmem.")
    return _faas.scrypt(password, salt, n, r, p, dklen)

"""Programs use the module behind hashlib: its constructors, HMAC and the derivation of keys."""
import _hashlib
import hashlib
import hmac


def attempt(function):
    try:
        return function()
    except Exception as error:
        return type(error).__name__


def main(args, context):
    return {
        "constructors": [getattr(_hashlib, "openssl_" + name)(b"data").hexdigest() for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256")] + [_hashlib.openssl_shake_128(b"data").hexdigest(8)],
        "new": [_hashlib.new("sha256", b"x").hexdigest(), _hashlib.new("md5", usedforsecurity=False).name, attempt(lambda: _hashlib.new("absent"))],
        "hmac": [_hashlib.hmac_digest(b"k", b"m", "sha256").hex(), _hashlib.hmac_new(b"k", b"m", "sha1").hexdigest(), attempt(lambda: _hashlib.hmac_new(b"k")), _hashlib.compare_digest(b"a", b"a"), hmac.new(b"k", b"m", hashlib.sha512).hexdigest()[:16]],
        "keys": [_hashlib.pbkdf2_hmac("sha256", b"p", b"salt", 10).hex(), _hashlib.scrypt(b"p", salt=b"salt", n=16, r=1, p=1, dklen=16).hex(), attempt(lambda: hashlib.pbkdf2_hmac("absent", b"p", b"s", 1))],
        "errors": [issubclass(_hashlib.UnsupportedDigestmodError, ValueError), _hashlib.UnsupportedDigestmodError.__module__, _hashlib.get_fips_mode(), "sha256" in _hashlib.openssl_md_meth_names],
    }

"""Derives keys with digests that only Python's own modules have."""
import hashlib


def attempt(*args):
    try:
        return hashlib.pbkdf2_hmac(*args).hex()
    except ValueError:
        return "ValueError"


def main(args, context):
    names = ("sha3_224", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s", "sha3-256", "blake2b512", "blake2s256", "shake_128", "shake_256", "none")
    return {
        "keys": {name: [attempt(name, b"password", b"salt", rounds, size) for rounds, size in ((1, 1), (1, 200), (3, 64), (2, None))] for name in names},
        "long": hashlib.sha256(hashlib.pbkdf2_hmac("sha3_256", b"password", b"salt", 1, 100_000)).hexdigest(),
    }

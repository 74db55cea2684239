"""Digests, keyed digests and derived keys, as downloads, webhooks and logins use them."""
import hashlib
import hmac
import io
import secrets
import zlib


def attempt(function, *args, **kwargs):
    try:
        result = function(*args, **kwargs)
        return result.hex() if isinstance(result, bytes) else result
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    data = bytes(range(256)) * 40
    names = sorted(hashlib.algorithms_guaranteed)
    sha = hashlib.sha256()
    for start in range(0, len(data), 1000):
        sha.update(data[start : start + 1000])
    fork = sha.copy()
    fork.update(b"more")
    tree = hashlib.blake2b(b"leaf", digest_size=16, key=b"k", salt=b"s", person=b"p", fanout=2, depth=2, leaf_size=64, node_offset=1, node_depth=1, inner_size=32, last_node=True)
    return {
        "digests": {n: hashlib.new(n, data).hexdigest(20) if n.startswith("shake") else hashlib.new(n, data).hexdigest() for n in names}, "names": names, "steps": [sha.hexdigest(), fork.hexdigest(), sha.digest_size, sha.block_size, sha.name], "blake": [tree.hexdigest(), hashlib.blake2s(b"", digest_size=4).hexdigest(), hashlib.blake2b.MAX_KEY_SIZE],
        "hmac": [hmac.new(b"key", b"message", n).hexdigest() for n in ("md5", "sha1", "sha256", "sha3_512", hashlib.sha384)] + [hmac.digest(b"k" * 200, b"m", "sha512").hex(), hmac.compare_digest("a", "a"), hmac.compare_digest(b"a", b"b")], "file": hashlib.file_digest(io.BytesIO(data), "sha1").hexdigest(),
        "errors": [attempt(hashlib.new, "nope"), attempt(hashlib.sha256, "text"), attempt(hmac.new, b"k", b"m"), attempt(hmac.compare_digest, "é", "é"), attempt(hashlib.blake2b, b"", digest_size=65), attempt(hashlib.shake_128(b"").hexdigest), attempt(hmac.new, "k", b"m", "md5"), attempt(hashlib.md5, b"", usedforsecurity=False) is not None],
        "checksums": [zlib.crc32(data), zlib.adler32(data), zlib.crc32(b"b", zlib.crc32(b"a"))], "secrets": [len(secrets.token_bytes(5)), len(secrets.token_hex(5)), len(secrets.token_urlsafe(9)), secrets.randbelow(1), secrets.choice("a"), secrets.compare_digest("x", "x")],
    }

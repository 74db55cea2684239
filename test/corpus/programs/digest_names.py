"""The names that OpenSSL has for digests."""

import hashlib,hmac
NAMES = "sha512-256 SHA512-224 sha-256 SHA2-256 SHA3-256 RIPEMD-160 RIPEMD160 rmd160 blake2b512 BLAKE2b-512 BLAKE2s-256 SHAKE-128 shake256 SSL3-SHA1 ssl3-md5 md5-sha1 SHA-1 SM3 nosuch sha2".split()
def main(args, context):
    out = {}
    for n in NAMES:
        try:
            h = hashlib.new(n, b"abc")
            out[n] = h.hexdigest(20) if h.digest_size == 0 else h.hexdigest()
            out[n + " hmac"] = hmac.new(b"k", b"abc", n).hexdigest()
        except Exception as e:
            out[n + " error"] = type(e).__name__
    return out

"""Stores and verifies passwords with PBKDF2 and scrypt."""
# args: {"passwords": ["correct horse", "пароль", ""], "salt": "00112233445566778899aabbccddeeff"}
import base64
import hashlib
import hmac


def attempt(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except (ValueError, TypeError, OverflowError) as error:
        return f"{type(error).__name__}: {error}"


def store(password, salt, rounds=1000):
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    return f"pbkdf2_sha256${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def verify(password, stored):
    name, rounds, salt, key = stored.split("$")
    again = hashlib.pbkdf2_hmac(name.partition("_")[2], password.encode(), base64.b64decode(salt), int(rounds))
    return hmac.compare_digest(again, base64.b64decode(key))


def main(args, context):
    salt = bytes.fromhex(args["salt"])
    stored = [attempt(store, p, salt) for p in args["passwords"]]
    return {
        "stored": stored, "verified": [[attempt(verify, p, s) for s in stored] for p in args["passwords"]], "lengths": [attempt(lambda n=n: hashlib.pbkdf2_hmac("sha512", b"p", b"s", 10, n).hex()) for n in (1, 64, 65, 200)],
        "scrypt": [attempt(lambda: hashlib.scrypt(b"p", salt=b"s", n=n, r=r, p=p, dklen=20).hex()) for n, r, p in ((2, 1, 1), (16, 8, 2), (1024, 8, 1), (3, 1, 1))], "errors": [attempt(hashlib.pbkdf2_hmac, "sha256", b"", b"", 0), attempt(hashlib.pbkdf2_hmac, "none", b"", b"", 1), attempt(hashlib.pbkdf2_hmac, "sha1", "text", b"", 1), attempt(hashlib.pbkdf2_hmac, "sha1", b"", b"", 1, 0)],
    }

"""Issues, refreshes and revokes signed tokens with claims, scopes and key rotation."""
# args: {"now": 1700000000, "keys": {"2023": "old-secret", "2024": "sécret"}}
import base64
import hashlib
import hmac
import json
from datetime import datetime, timezone


class Rejected(Exception):
    def __init__(self, reason, **details):
        super().__init__(reason)
        self.details = details


class Expired(Rejected):
    pass


def encode(data):
    raw = data if isinstance(data, bytes) else json.dumps(data, separators=(",", ":"), sort_keys=True).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode(text):
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError as error:
        raise Rejected("not base64", text=text[:8]) from error


class Issuer:
    def __init__(self, keys, now):
        self.keys, self.now, self.revoked = keys, now, set()

    def sign(self, kid, body):
        return encode(hmac.digest(self.keys[kid].encode(), body.encode(), hashlib.sha384))

    def issue(self, kid, **claims):
        claims = {"iat": self.now, "exp": self.now + 60, "jti": hashlib.sha1(repr(sorted(claims.items())).encode()).hexdigest()[:10], **claims}
        body = encode({"alg": "HS384", "kid": kid}) + "." + encode(claims)
        return body + "." + self.sign(kid, body)

    def check(self, token, scope=None, leeway=0):
        body, dot, signature = token.rpartition(".")
        if not dot or body.count(".") != 1:
            raise Rejected("wrong number of parts", parts=token.count(".") + 1)
        try:
            head, claims = (json.loads(decode(part)) for part in body.split("."))
            expected = self.sign(head["kid"], body)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise Rejected("not JSON", at=getattr(error, "pos", getattr(error, "start", None))) from error
        except KeyError as error:
            raise Rejected(f"unknown key {error}") from None
        if not hmac.compare_digest(expected, signature):
            raise Rejected("signature")
        if claims["exp"] + leeway <= self.now:
            raise Expired("expired", since=datetime.fromtimestamp(claims["exp"], timezone.utc).isoformat())
        if claims["jti"] in self.revoked:
            raise Rejected("revoked")
        if scope and scope not in claims.get("scope", "").split():
            raise Rejected("scope", wanted=scope, has=claims.get("scope"))
        return claims


def main(args, context):
    issuer = Issuer(args["keys"], args["now"])
    good = issuer.issue("2024", sub="ada", scope="read write", name="Žofie")
    old = issuer.issue("2023", sub="bob", exp=args["now"] - 1)
    gone = issuer.issue("2024", sub="eve")
    issuer.revoked.add(issuer.check(gone)["jti"])
    head, claims, signature = good.split(".")
    attempts = {"good": (good, "read"), "scope": (good, "admin"), "old": (old, None), "revoked": (gone, None), "swapped": (f"{head}.{encode({'sub': 'root', 'exp': 2**33, 'jti': ''})}.{signature}", None), "parts": ("a.b", None), "base64": ("a!.b.c", None), "json": (f"{encode(b'{')}.{claims}.x", None), "utf8": (f"{encode(bytes([255]))}.{claims}.x", None), "key": (issuer.issue("2024").replace(head, encode({"kid": "none"})), None)}
    out = {"token": good}
    for name, (token, scope) in attempts.items():
        try:
            out[name] = issuer.check(token, scope)
        except Rejected as error:
            out[name] = [type(error).__name__, str(error), error.details, type(error.__cause__).__name__]
    out["leeway"] = issuer.check(old, leeway=5)["sub"]
    return out

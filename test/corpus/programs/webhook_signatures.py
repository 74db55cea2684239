"""Verifies signed webhooks and rejects stale, forged and malformed ones."""
# args: {"now": 1700000000, "secret": "whsec_ä1", "body": "{\"id\":\"evt_1\",\"amount\":1999,\"note\":\"é\"}"}
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from email.utils import formatdate


def sign(secret, timestamp, body):
    return hmac.new(secret.encode(), b"%d.%s" % (timestamp, body), hashlib.sha256).hexdigest()


def verify(header, body, secret, now, tolerance=300):
    fields = dict(part.split("=", 1) for part in header.split(","))
    timestamp = int(fields["t"])
    if abs(now - timestamp) > tolerance:
        raise ValueError(f"timestamp is {now - timestamp:+d} s off: {datetime.fromtimestamp(timestamp, UTC):%FT%TZ}")
    if not hmac.compare_digest(fields["v1"], sign(secret, timestamp, body)):
        raise PermissionError("signature does not match")
    return json.loads(body)


def main(args, context):
    body, now, secret = args["body"].encode(), args["now"], args["secret"]
    good = f"t={now},v1={sign(secret, now, body)}"
    cases = {"good": (good, body), "stale": (f"t={now - 301},v1=x", body), "forged": (good, body + b" "), "empty": ("", body), "short": ("t=5", body), "no number": ("t=x,v1=y", body), "future": (good.replace(str(now), str(now + 9999)), body), "other": (good.upper(), body)}
    out = {}
    for name, (header, payload) in cases.items():
        try:
            out[name] = verify(header, payload, secret, now)
        except (ValueError, KeyError, PermissionError) as error:
            out[name] = f"{type(error).__name__}: {error}"
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return {"cases": out, "digest": "SHA-256=" + digest, "basic": base64.b64encode("user:pä".encode()).decode(), "date": formatdate(now, usegmt=True), "id": hashlib.blake2s(body, digest_size=8).hexdigest(), "signature": good}

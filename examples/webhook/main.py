"""Verify the signature of a GitHub webhook and report what happened.

The program that receives the webhook passes its headers and its body on to this function. The body
is a string and not an object, because the signature covers its exact bytes.
"""

import hashlib
import hmac
import json
from typing import Any


def is_signed(body: str, header: str, secrets: list[str]) -> bool:
    """Report whether header is the signature of body under one of the secrets.

    With several secrets, the owner can replace one without losing events. The comparison takes the
    same time wherever the signatures differ, so a caller cannot guess one byte after the other.
    """
    algorithm, _, signature = header.partition("=")
    if algorithm != "sha256" or not signature.isascii():
        return False
    expected = [hmac.new(s.encode(), body.encode(), hashlib.sha256).hexdigest() for s in secrets]
    return any([hmac.compare_digest(e, signature) for e in expected])


def main(args: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """Return the event, or the reason for refusing it.

    args has "headers", an object whose names may be in any case, and "body". context has "secrets".
    """
    headers = {name.lower(): value for name, value in args["headers"].items()}
    body = args["body"]
    if not is_signed(body, headers.get("x-hub-signature-256", ""), context["secrets"]):
        return {"accepted": False, "reason": "the signature does not match"}
    event = json.loads(body)
    return {
        "accepted": True,
        "event": headers.get("x-github-event", "unknown"),
        "delivery": headers.get("x-github-delivery"),
        "action": event.get("action"),
        "repository": event.get("repository", {}).get("full_name"),
    }

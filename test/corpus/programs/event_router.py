"""Routes events of queues, storage and gateways to handlers, with batches and partial failures."""
# args: {"events": [{"Records": [{"eventSource": "aws:sqs", "messageId": "m1", "body": "{\"n\": 2}"}, {"eventSource": "aws:sqs", "messageId": "m2", "body": "{bad"}]}, {"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}, "object": {"key": "f%C3%BCr+mich.txt", "size": 1024}}}]}, {"httpMethod": "POST", "path": "/orders/17/items", "headers": {"X-Trace": "abc"}, "queryStringParameters": {"dry": "true"}, "body": "eyJhIjogMX0=", "isBase64Encoded": true}, {"httpMethod": "GET", "path": "/none", "body": null}, {"source": "cron", "time": "2024-03-31T01:30:00Z"}, {"what": 1}]}
import base64
import json
import re
from datetime import datetime
from urllib.parse import unquote_plus
from zoneinfo import ZoneInfo

ROUTES = []


def route(method, pattern):
    compiled = re.compile(re.sub(r"{(\w+)(?::(\w+))?}", lambda m: rf"(?P<{m[1]}>{'[0-9]+' if m[2] == 'int' else '[^/]+'})", pattern) + "$")

    def decorate(function):
        ROUTES.append((method, compiled, function))
        return function

    return decorate


@route("POST", "/orders/{id:int}/items")
def add_item(body, query, id):
    return 201, {"order": int(id), "item": body, "dry": query.get("dry") == "true"}


@route("GET", "/orders/{id:int}")
def get_order(body, query, id):
    return 200, {}


def handle_http(event):
    raw = event["body"]
    if raw and event.get("isBase64Encoded"):
        raw = base64.b64decode(raw).decode()
    for method, pattern, function in ROUTES:
        if method == event["httpMethod"] and (m := pattern.match(event["path"])):
            status, body = function(json.loads(raw or "null"), event.get("queryStringParameters") or {}, **m.groupdict())
            break
    else:
        allowed = sorted({m for m, p, _ in ROUTES if p.match(event["path"])})
        status, body = (405, {"allowed": allowed}) if allowed else (404, {"path": event["path"]})
    return {"statusCode": status, "headers": {k.lower(): v for k, v in event.get("headers", {}).items()}, "body": json.dumps(body, sort_keys=True)}


def handle(event):
    match event:
        case {"Records": [{"eventSource": "aws:sqs"}, *_] as records}:
            done, failed = [], []
            for record in records:
                try:
                    done.append(json.loads(record["body"])["n"] * 2)
                except (ValueError, KeyError) as error:
                    failed.append({"itemIdentifier": record["messageId"], "error": f"{type(error).__name__}: {error}"})
            return {"done": done, "batchItemFailures": failed}
        case {"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": int(size)}}}]}:
            return f"{bucket}/{unquote_plus(key)} {size / 1024:.1f} KiB"
        case {"httpMethod": _}:
            return handle_http(event)
        case {"source": "cron", "time": str(when)}:
            moment = datetime.fromisoformat(when)
            return [moment.astimezone(ZoneInfo("Europe/Berlin")).isoformat(), moment.weekday()]
        case _:
            raise LookupError(f"no handler for keys {sorted(event)}")


def main(args, context):
    out = []
    for event in args["events"]:
        try:
            out.append(handle(event))
        except LookupError as error:
            out.append(repr(error))
    return out

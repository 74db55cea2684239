import logging

import sentry_sdk
from sentry_sdk.transport import Transport


class Captured(Transport):
    def __init__(self, options=None):
        super().__init__(options)
        self.events = []

    def capture_envelope(self, envelope):
        for item in envelope.items:
            if item.payload.json is not None:
                self.events.append([item.type, item.payload.json])


def scrub(event, hint):
    event.setdefault("extra", {})["scrubbed"] = "error" if "exc_info" in hint else "message"
    return None if event.get("message") == "drop" else event


def main(args, context):
    transport = Captured()
    sentry_sdk.init(dsn="https://key@h.invalid/1", transport=transport, before_send=scrub, release="1", environment="test", traces_sample_rate=1.0, auto_session_tracking=False, server_name="s")
    sentry_sdk.set_tag("area", "shop")
    sentry_sdk.set_user({"id": 5})
    with sentry_sdk.new_scope() as scope:
        scope.set_extra("n", 1)
        sentry_sdk.add_breadcrumb(message="clicked", category="ui")
        try:
            secret = {"a": [1, 2]}
            secret["b"]
        except KeyError:
            sentry_sdk.capture_exception()
    sentry_sdk.capture_message("drop")
    sentry_sdk.capture_message("hello", level="warning")
    logging.getLogger("app").error("failed %s", "x")
    with sentry_sdk.start_transaction(op="task", name="job"):
        with sentry_sdk.start_span(op="db", name="query"):
            pass
    sentry_sdk.flush()
    found = []
    for kind, event in transport.events:
        frames = [f["function"] for v in event.get("exception", {}).get("values", []) for f in v["stacktrace"]["frames"]]
        crumbs = [c.get("message") for c in event.get("breadcrumbs", {}).get("values", [])]
        found.append([kind, event.get("level"), event.get("message"), (event.get("logentry") or {}).get("message"), frames, crumbs, event.get("tags"), event.get("user"), (event.get("extra") or {}).get("scrubbed"), [s["op"] for s in event.get("spans", [])]])
    return found

# differs: without an allow list, a connection raises what the package raises if it cannot connect
import requests
from requests.adapters import BaseAdapter


class Local(BaseAdapter):
    """Answers with what it was sent."""

    def send(self, request, **kwargs):
        r = requests.Response()
        r.status_code, r.url, r.request = 200 if request.body else 404, request.url, request
        r._content = repr((request.method, request.body)).encode()
        r.headers["Content-Type"] = "text/plain; charset=utf-8"
        return r

    def close(self):
        pass


def main(args, context):
    session = requests.Session()
    session.mount("test://", Local())
    session.headers["X-Key"] = "1"
    posted = session.post("test://host/a b", params={"q": "ä"}, json={"n": [1, 2]})
    missing = session.get("test://host/none")
    try:
        missing.raise_for_status()
    except requests.HTTPError as error:
        refused = str(error)
    try:
        requests.get("https://host.invalid", timeout=5)
    except requests.ConnectionError as error:
        offline = type(error).__name__
    prepared = requests.Request("PUT", "https://host/x", data={"a": "1 2"}, auth=("me", "pw")).prepare()
    return [posted.text, posted.url, posted.encoding, refused, offline, prepared.body, dict(prepared.headers)]

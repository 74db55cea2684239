# wheels: requests urllib3 idna certifi charset-normalizer
import io

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

import servers

# The image has a session that has failed to connect, and its pools.
session = requests.Session()
session.verify = servers.ca
session.headers["X-Test"] = "session"
for scheme in ["http://", "https://"]:
    session.mount(scheme, HTTPAdapter(max_retries=Retry(total=2, status_forcelist=[503])))
for base in ["http://localhost:%d" % servers.web, "https://localhost:%d" % servers.web_tls]:
    try:
        session.get(base + "/hello", timeout=5)
    except requests.ConnectionError:
        pass


def uploads(base):
    file = io.BytesIO(b"content" * 10_000)
    return [
        session.post(base + "/echo", data=(piece for piece in [b"one", b"two"])).json(),
        session.post(base + "/echo", json={"n": 1}).json(),
        session.put(base + "/echo", data=file).json(),
        session.post(base + "/files", data={"field": "value"}, files={"f": ("name.txt", b"x" * 100_000, "text/plain")}).json(),
    ]


def streams(base):
    with session.get(base + "/large", stream=True) as response:
        total = sum(len(piece) for piece in response.iter_content(65536))
    with session.get(base + "/lines", stream=True) as response:
        lines = [line.decode() for line in response.iter_lines()]
    return [total, lines, session.get(base + "/gzip").text]


def failures(base):
    answers = [session.get(base + "/status/404").status_code]
    for call in [
        lambda: session.get(base + "/never", timeout=(5, 0.1)),
        lambda: session.get(base + "/status/500").raise_for_status(),
        lambda: session.get(base + "/status/503"),
        lambda: session.get(base + "/moved/50"),
        lambda: requests.get("http://localhost:1/hello", timeout=5),
    ]:
        try:
            call()
        except requests.RequestException as e:
            answers.append(type(e).__name__)
    return answers


def main(args, context):
    base = "https://localhost:%d" % servers.web_tls if args["tls"] else "http://localhost:%d" % servers.web
    session.cookies.clear()
    moved = session.get(base + "/moved/3")
    proxy = "http://user:secret@localhost:%d" % servers.proxy
    answers = [
        session.get(base + "/hello", params={"name": "you"}).text,
        [moved.text, len(moved.history), moved.url.removeprefix(base)],
        session.post(base + "/elsewhere", data=b"kept").json(),
        [session.get(base + "/cookie").text for _ in range(2)],
        [session.get(base + "/private").status_code, session.get(base + "/private", auth=("user", "secret")).status_code],
        session.get(base + "/echo", proxies={"http": proxy, "https": proxy}).json(),
        requests.get(base + "/echo", verify=servers.ca).json(),
        uploads(base), streams(base), failures(base),
    ]
    if args["tls"]:
        mutual = "https://localhost:%d/echo" % servers.web_mutual
        answers.append(session.get(mutual, cert=(servers.certificate, servers.key)).json()["client"])
        try:
            requests.get(base + "/hello")
        except requests.exceptions.SSLError as e:
            answers.append("certificate verify failed" in str(e))
        try:
            session.get(mutual)
        except requests.exceptions.RequestException as e:
            answers.append(type(e).__name__)
    return answers

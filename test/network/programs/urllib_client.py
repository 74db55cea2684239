# wheels:
import http.client
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request

import servers

context = ssl.create_default_context(cafile=servers.ca)


def opener(*handlers):
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), *handlers)


def main(args, _):
    base = "https://localhost:%d" % servers.web_tls if args["tls"] else "http://localhost:%d" % servers.web
    with opener().open(base + "/hello?" + urllib.parse.urlencode({"name": "you & me"})) as response:
        hello = [response.status, response.read().decode()]
    request = urllib.request.Request(base + "/echo", data=b"x" * 100_000, headers={"X-Test": "yes"}, method="PUT")
    with opener().open(request) as response:
        echo = json.load(response)
    try:
        opener().open(base + "/status/503")
    except urllib.error.HTTPError as e:
        failed = [e.code, e.reason]
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, base, "user", "secret")
    with opener(urllib.request.HTTPBasicAuthHandler(passwords)).open(base + "/private") as response:
        private = response.status
    proxy = "http://user:secret@localhost:%d" % servers.proxy
    with opener(urllib.request.ProxyHandler({"http": proxy, "https": proxy})).open(base + "/echo") as response:
        proxied = json.load(response)
    with opener().open(base + "/large") as response:
        total = sum(len(piece) for piece in iter(lambda: response.read(50_000), b""))
    with opener().open(base + "/lines") as response:
        lines = [line.decode().strip() for line in response]
    try:
        opener().open(base + "/never", timeout=0.1)
    except TimeoutError as e:
        late = str(e)
    kept = (http.client.HTTPSConnection("localhost", servers.web_tls, context=context) if args["tls"]
            else http.client.HTTPConnection("localhost", servers.web))
    answers = []
    for n in range(3):
        kept.request("POST", "/echo", body=iter([b"one", b"two"]), headers={"Content-Type": "text/plain"}, encode_chunked=True)
        answers.append(json.load(kept.getresponse())["bytes"])
    kept.close()
    answers = [hello, echo, failed, private, proxied, total, lines, late, answers]
    if args["tls"]:
        try:
            urllib.request.urlopen(base + "/hello")
        except urllib.error.URLError as e:
            answers.append(e.reason.verify_message)
    return answers

# wheels: httpx httpcore h11 h2 hpack hyperframe anyio idna certifi typing-extensions
import asyncio
import ssl

import httpx

import servers

context = ssl.create_default_context(cafile=servers.ca)


def options(args):
    if args["tls"]:
        return {"base_url": "https://localhost:%d" % servers.web_tls, "verify": context, "http2": True}
    return {"base_url": "http://localhost:%d" % servers.web}


def sync(options):
    proxy = "http://user:secret@localhost:%d" % servers.proxy
    with httpx.Client(**options, follow_redirects=True) as client:
        answers = [
            client.get("/hello", params={"name": "you"}).text, client.get("/hello").http_version,
            client.get("/moved/2").text, client.post("/echo", json={"n": 1}).json(),
            client.post("/files", data={"field": "value"}, files={"f": ("name", b"content")}).json(),
            client.get("/private", auth=("user", "secret")).status_code,
            client.post("/echo", content=(piece for piece in [b"a" * 70_000, b"b"])).json(),
        ]
        with client.stream("GET", "/large") as response:
            answers.append(sum(len(piece) for piece in response.iter_bytes()))
        with client.stream("GET", "/lines") as response:
            answers.append(list(response.iter_lines()))
        try:
            client.get("/never", timeout=0.1)
        except httpx.ReadTimeout as e:
            answers.append(type(e).__name__)
        try:
            client.get("/status/418").raise_for_status()
        except httpx.HTTPStatusError as e:
            answers.append(e.response.status_code)
    with httpx.Client(**options, proxy=proxy) as client:
        answers.append(client.get("/echo").json())
    return answers


async def simultaneous(options):
    async with httpx.AsyncClient(**options) as client:
        texts = await asyncio.gather(*(client.get("/hello", params={"name": str(n)}) for n in range(50)))

        async def pieces():
            for n in range(5):
                await asyncio.sleep(0)
                yield b"x" * 30_000

        echo = (await client.post("/echo", content=pieces())).json()
        async with client.stream("GET", "/large") as response:
            total = 0
            async for piece in response.aiter_raw():
                total += len(piece)
        return [[r.text for r in texts], {r.http_version for r in texts}.pop(), echo, total]


def main(args, _):
    answers = [sync(options(args)), asyncio.run(simultaneous(options(args)))]
    if not args["tls"]:  # HTTP/2 by prior knowledge
        answers.append(asyncio.run(simultaneous({**options(args), "http1": False, "http2": True})))
        return answers
    try:
        httpx.get("https://localhost:%d/hello" % servers.web_tls)
    except httpx.ConnectError as e:
        answers.append("certificate verify failed" in str(e))
    mutual = ssl.create_default_context(cafile=servers.ca)
    mutual.load_cert_chain(servers.certificate, servers.key)
    answers.append(httpx.get("https://localhost:%d/echo" % servers.web_mutual, verify=mutual).json()["client"])
    return answers

# wheels: aiohttp aiohappyeyeballs aiosignal attrs frozenlist multidict propcache yarl idna typing-extensions
import asyncio
import ssl

import aiohttp

import servers

context = ssl.create_default_context(cafile=servers.ca)


async def main(args, _):
    base = "https://localhost:%d" % servers.web_tls if args["tls"] else "http://localhost:%d" % servers.web
    options = {"base_url": base, "connector": aiohttp.TCPConnector(ssl=context)}
    async with aiohttp.ClientSession(**options) as session:

        async def hello(n):
            async with session.get("/hello", params={"name": str(n)}) as response:
                return await response.text()

        async def pieces():
            for n in range(5):
                yield b"x" * 30_000

        answers = [await asyncio.gather(*(hello(n) for n in range(50)))]
        async with session.get("/moved/3") as response:
            answers.append([await response.text(), len(response.history)])
        async with session.post("/echo", json={"n": 1}) as response:
            answers.append(await response.json())
        async with session.put("/echo", data=pieces()) as response:
            answers.append(await response.json())
        form = aiohttp.FormData({"field": "value"})
        form.add_field("f", b"content", filename="name", content_type="text/plain")
        async with session.post("/files", data=form) as response:
            answers.append(await response.json(content_type=None))
        async with session.get("/large") as response:
            answers.append(sum([len(piece) async for piece in response.content.iter_chunked(65536)]))
        async with session.get("/lines") as response:
            answers.append([line.decode().strip() async for line in response.content])
        answers.append([await (await session.get("/cookie")).text() for _ in range(2)])
        proxy, auth = "http://localhost:%d" % servers.proxy, aiohttp.BasicAuth("user", "secret")
        async with session.get("/echo", proxy=proxy, proxy_auth=auth) as response:
            answers.append(await response.json())
        try:
            await session.get("/never", timeout=aiohttp.ClientTimeout(total=0.1))
        except TimeoutError as e:
            answers.append(isinstance(e, asyncio.TimeoutError))
        try:
            await session.get("/status/500", raise_for_status=True)
        except aiohttp.ClientResponseError as e:
            answers.append(e.status)
    if args["tls"]:
        async with aiohttp.ClientSession() as session:
            try:
                await session.get(base + "/hello")
            except aiohttp.ClientConnectorCertificateError as e:
                answers.append(type(e).__name__)
    return answers

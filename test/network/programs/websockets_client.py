# wheels: websockets
import asyncio
import hashlib
import ssl

import websockets.asyncio.client
from websockets.exceptions import ConnectionClosed

import servers

context = ssl.create_default_context(cafile=servers.ca)


async def main(args, _):
    uri = "wss://localhost:%d/" % servers.websocket_tls if args["tls"] else "ws://localhost:%d/" % servers.websocket
    options = {"ssl": context} if args["tls"] else {}
    answers = []
    async with websockets.asyncio.client.connect(uri, subprotocols=["chat"], max_size=None, **options) as c:
        await c.send("text ä€😀")
        answers.append(await c.recv())
        await c.send(b"\x00\xff")
        answers.append(list(await c.recv()))
        big = hashlib.sha256(b"seed").digest() * 100_000
        await c.send(big)
        answers.append(await c.recv() == big)
        await c.send(["frag", "ments"])
        answers.append(await c.recv())
        for n in range(100):
            await c.send(str(n))
        answers.append(sum([int(await c.recv()) for n in range(100)]))
        answers.append(await (await c.ping()) > 0)
        answers.append([c.subprotocol, [e.name for e in c.protocol.extensions]])
        try:
            async with asyncio.timeout(0.05):
                await c.recv()
        except TimeoutError as e:
            answers.append(type(e).__name__)
        await c.send("close")
        try:
            await c.recv()
        except ConnectionClosed as e:
            answers.append([e.rcvd.code, e.rcvd.reason])

    async def one(n):
        async with websockets.asyncio.client.connect(uri, subprotocols=["chat"], **options) as c:
            await c.send(str(n))
            return int(await c.recv())

    answers.append(sum(await asyncio.gather(*(one(n) for n in range(20)))))
    return answers

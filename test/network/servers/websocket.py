"""Sends back what it receives: websocket.py PORT ENCRYPTED_PORT CERTIFICATE KEY."""

import asyncio
import ssl
import sys

from websockets.asyncio.server import serve


async def echo(connection):
    async for message in connection:
        if message == "close":
            await connection.close(4000, "as asked")
            return
        await connection.send(message)


async def main(port, encrypted, certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    options = {"max_size": None, "subprotocols": ["chat"]}
    async with serve(echo, "127.0.0.1", int(port), **options), serve(echo, "127.0.0.1", int(encrypted), ssl=context, **options):
        await asyncio.Future()


asyncio.run(main(*sys.argv[1:]))

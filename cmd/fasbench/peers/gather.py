"""Slow HTTP requests at once, by asyncio: the seconds until all responses are there."""

import asyncio
import time


async def request(host, port, path):
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise ValueError(answer[:100])


async def main(args, context):
    began = time.perf_counter()
    await asyncio.gather(*(request(args["host"], args["port"], args["path"]) for _ in range(args["requests"])))
    return time.perf_counter() - began

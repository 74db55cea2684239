import asyncio

from asgiref.local import Local
from asgiref.sync import async_to_sync, sync_to_async
from asgiref.wsgi import WsgiToAsgi

local = Local()


def blocking(n):
    return n + 1


async def asynchronous(n):
    await asyncio.sleep(0)
    return await sync_to_async(blocking)(n) + await sync_to_async(blocking, thread_sensitive=False)(n)


def from_sync(n):
    return async_to_sync(asynchronous)(n) * 10


async def nested(n):
    return await sync_to_async(from_sync)(n)


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REQUEST_METHOD"].encode(), b" ", environ["PATH_INFO"].encode(), environ["wsgi.input"].read()]


async def request(app):
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": "/p", "query_string": b"", "headers": [], "server": ("h", 80), "client": ("c", 1)}
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"!", "more_body": False}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return [sent[0]["status"], b"".join(m.get("body", b"") for m in sent).decode()]


async def isolated():
    local.value = "outside"

    async def inner():
        local.value = "inside"
        return local.value

    return [await asyncio.create_task(inner()), local.value]


def main(args, context):
    failed = ""
    try:
        async_to_sync(sync_to_async(int))("x")
    except ValueError as error:
        failed = str(error)
    return [
        from_sync(1), async_to_sync(nested)(2), asyncio.run(nested(3)), async_to_sync(request)(WsgiToAsgi(wsgi)),
        asyncio.run(isolated()), failed,
    ]

import asyncio
import json

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route


async def hello(request):
    return JSONResponse({"hello": request.path_params["name"], "q": request.query_params.get("q"), "body": (await request.body()).decode()})


async def stream(request):
    async def parts():
        for i in range(3):
            await asyncio.sleep(0)
            yield "%d;" % i
    return StreamingResponse(parts(), media_type="text/plain")


def sync(request):
    return JSONResponse([1])


app = Starlette(routes=[Route("/hello/{name}", hello, methods=["POST"]), Route("/stream", stream), Route("/sync", sync)], middleware=[Middleware(GZipMiddleware)])


async def call(method, path, query=b"", body=b""):
    sent = []
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        if messages:
            return messages.pop()
        await asyncio.sleep(3600)

    async def send(message):
        sent.append(message)

    await app({"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(), "query_string": query, "headers": [], "scheme": "http", "server": ("h", 80), "client": ("c", 1), "root_path": ""}, receive, send)
    return [sent[0]["status"], b"".join(m.get("body", b"") for m in sent).decode()]


async def main(args, context):
    return [await call("POST", "/hello/you", b"q=1", b"text"), await call("GET", "/stream"), await call("GET", "/sync"), await call("GET", "/none")]

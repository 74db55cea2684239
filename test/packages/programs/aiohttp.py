# differs: without an allow list, a connection raises what the package raises if it cannot connect
import asyncio

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL


async def main(args, context):
    form = aiohttp.FormData()
    form.add_field("a", "1 2")
    async with aiohttp.ClientSession(headers={"X": "1"}, timeout=aiohttp.ClientTimeout(total=5)) as session:
        try:
            await session.get("http://host.invalid/")
            offline = "connected"
        except aiohttp.ClientConnectorError as error:
            offline = "offline"
    app = web.Application()
    app.router.add_get("/users/{id}", lambda request: web.json_response({}), name="user")
    url = URL("https://h/a") / "b c" % {"q": "ä"}
    return [offline, str(url), url.query["q"], str(app.router["user"].url_for(id="7")), CIMultiDict(A="1")["a"], form()._value.decode()]

# differs: without an allow list, a connection raises what the package raises if it cannot connect
import httpx


def answer(request):
    if request.url.path == "/json":
        return httpx.Response(200, json={"method": request.method, "q": request.url.params.get("q"), "body": request.content.decode()})
    return httpx.Response(302, headers={"Location": "/json?q=moved"}) if request.url.path == "/old" else httpx.Response(404)


async def main(args, context):
    with httpx.Client(transport=httpx.MockTransport(answer), base_url="https://host", follow_redirects=True) as client:
        posted = client.post("/json", json={"a": 1}, params={"q": "ä b"}).json()
        moved = client.get("/old")
        try:
            client.get("/none").raise_for_status()
        except httpx.HTTPStatusError as error:
            refused = str(error).splitlines()[0]
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        later = (await client.put("http://h/json", content=b"x")).json()
    try:
        httpx.get("https://host.invalid")
    except httpx.ConnectError as error:
        offline = type(error).__name__
    return [posted, moved.json(), [r.status_code for r in moved.history], refused, later, offline]

import asyncio
import datetime

from tornado import escape, gen, httputil, locks, queues, template, web
from tornado.routing import PathMatches

TEMPLATE = """{% extends "base.html" %}{% block body %}{% for i in items %}<li>{{ i }}{% end %}{% raw "<b>" %}{{ upper(name) }}{% end %}"""
loader = template.DictLoader({"base.html": "<body>{% block body %}{% end %}</body>", "page.html": TEMPLATE})


async def workers():
    queue, done, lock = queues.Queue(maxsize=2), [], locks.Semaphore(1)

    async def work():
        async for n in queue:
            async with lock:
                await gen.sleep(0)
                done.append(n * n)
            queue.task_done()

    tasks = [asyncio.create_task(work()) for _ in range(2)]
    for n in range(4):
        await queue.put(n)
    await queue.join()
    for task in tasks:
        task.cancel()
    try:
        await gen.with_timeout(datetime.timedelta(milliseconds=1), asyncio.Event().wait())
    except gen.TimeoutError:
        done.append("late")
    return done


def main(args, context):
    form, files = {}, {}
    body = b'--B\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\ndata\r\n--B--\r\n'
    httputil.parse_body_arguments("multipart/form-data; boundary=B", body, form, files)
    app = web.Application([web.url(r"/u/([0-9]+)", web.RequestHandler, name="user")], cookie_secret="s")
    signed = web.create_signed_value("s", "c", "value", clock=lambda: 1_700_000_000)
    return [
        loader.load("page.html").generate(items=["<", "b"], name="x", upper=str.upper).decode(), asyncio.run(workers()), files["f"][0]["filename"],
        files["f"][0]["body"].decode(), app.reverse_url("user", 5), signed.decode(), web.decode_signed_value("s", "c", signed, clock=lambda: 1_700_000_001).decode(),
        escape.linkify("see http://a.org/b?c=1&d"), escape.json_encode({"a": "</script>"}), httputil.url_concat("http://h/?a=1", {"b": "ü"}),
        httputil.format_timestamp(0), httputil.HTTPHeaders.parse("A: 1\r\nB: 2\r\nb: c\r\n").get_list("B"), PathMatches("/x/(?P<id>.*)").reverse("a b"),
    ]

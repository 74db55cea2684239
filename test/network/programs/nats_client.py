# wheels: nats-py
import asyncio
import ssl

import nats
import nats.errors

import servers

context = ssl.create_default_context(cafile=servers.ca)


async def main(args, _):
    options = {"servers": "tls://localhost:%d" % servers.nats_tls, "tls": context} if args["tls"] else {"servers": "nats://localhost:%d" % servers.nats}
    c = await nats.connect(**options, allow_reconnect=False)
    heard = []

    async def listen(message):
        heard.append(message.data.decode())

    async def double(message):
        await message.respond(message.data * 2)

    listening = await c.subscribe("news.*", cb=listen)
    await c.subscribe("double", cb=double)
    for n in range(100):
        await c.publish("news.%d" % n, str(n).encode())
    await c.flush()
    replies = await asyncio.gather(*((c.request("double", b"x" * n, timeout=5)) for n in range(1, 20)))
    await listening.drain()
    big = b"x" * 900_000
    answered = (await c.request("double", big[:450_000], timeout=5)).data
    try:
        await c.request("nobody", b"", timeout=5)
    except nats.errors.NoRespondersError as e:
        nobody = type(e).__name__

    js = c.jetstream()
    try:
        await js.delete_stream("orders")
    except nats.js.errors.NotFoundError:
        pass
    await js.add_stream(name="orders", subjects=["orders.*"])
    acks = [(await js.publish("orders.new", str(n).encode())).seq for n in range(10)]
    pulling = await js.pull_subscribe("orders.*", durable="worker")
    fetched = []
    for message in await pulling.fetch(10, timeout=5):
        fetched.append(int(message.data))
        await message.ack()
    bucket = await js.create_key_value(bucket="config")
    await bucket.put("key", b"value")
    value = (await bucket.get("key")).value.decode()
    await js.delete_key_value("config")
    await c.drain()
    return [sorted(map(int, heard)), sum(len(r.data) for r in replies), answered == big, nobody, acks, fetched, value]

# wheels: redis
import asyncio

import redis.asyncio

import servers

options = {
    False: {"host": "localhost", "port": servers.redis},
    True: {"host": "localhost", "port": servers.redis_tls, "ssl": True, "ssl_ca_certs": servers.ca},
}


async def main(args, context):
    async with redis.asyncio.Redis(**options[args["tls"]], decode_responses=True) as r:
        await r.flushall()
        await asyncio.gather(*(r.set("k%d" % n, n) for n in range(50)))
        values = await asyncio.gather(*(r.get("k%d" % n) for n in range(50)))
        async with r.pipeline(transaction=True) as p:
            for n in range(100):
                p.incr("n")
            counted = await p.execute()
        async with r.pubsub() as subscriber:
            await subscriber.subscribe("news")

            async def publish():
                for n in range(5):
                    await r.publish("news", n)
                await r.publish("news", "end")

            publishing = asyncio.create_task(publish())
            heard = []
            async for message in subscriber.listen():
                heard.append(message["data"])
                if message["data"] == "end":
                    break
            await publishing
        popping = asyncio.create_task(r.blpop(["queue"], timeout=5))
        await asyncio.sleep(0)
        await r.rpush("queue", "item")
        try:
            async with asyncio.timeout(0.05):
                await r.blpop(["none"], timeout=5)
        except TimeoutError as e:
            late = type(e).__name__
        return [sum(map(int, values)), counted[-1], heard, await popping, late]

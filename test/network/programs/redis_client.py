# wheels: redis
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import servers

# The image has clients that have failed to connect, and their pools.
common = {"host": "localhost", "decode_responses": True, "retry": Retry(NoBackoff(), 1)}
clients = {
    False: redis.Redis(port=servers.redis, **common),
    True: redis.Redis(port=servers.redis_tls, ssl=True, ssl_ca_certs=servers.ca, **common),
}
for client in clients.values():
    try:
        client.ping()
    except redis.ConnectionError:
        pass


def main(args, context):
    r = clients[args["tls"]]
    r.flushall()
    r.set("key", "value")
    with r.pipeline() as p:
        for n in range(1000):
            p.rpush("list", n)
        p.llen("list")
        length = p.execute()[-1]
    subscriber = r.pubsub()
    subscriber.subscribe("news")
    subscriber.psubscribe("other.*")
    messages = [subscriber.get_message(timeout=5) for _ in range(2)]
    r.publish("news", "hello")
    r.publish("other.a", "world")
    messages += [subscriber.get_message(timeout=5) for _ in range(2)]
    none = subscriber.get_message(timeout=0.05)
    subscriber.close()
    big = "x" * 3_000_000
    r.set("big", big)
    with r.pipeline() as p:
        p.watch("key")
        r.set("key", "changed")
        p.multi()
        p.set("key", "lost")
        try:
            p.execute()
            watched = "executed"
        except redis.WatchError:
            watched = "changed"
    stream = r.xadd("stream", {"field": "value"}, id="1-1")
    with r.lock("lock", timeout=5):
        locked = r.lock("lock", blocking=False).acquire()
    try:
        r.incr("list")
    except redis.ResponseError as e:
        wrong = str(e)
    before = r.client_id()
    redis.Redis(port=servers.redis, **common).client_kill_filter(_id=before)  # the pool connects again
    again = r.client_id() > before
    return [
        again, r.get("key"), length, r.blpop(["none"], timeout=0.05), messages, none, r.get("big") == big, watched, locked, wrong,
        r.eval("return {KEYS[1], ARGV[1]}", 1, "k", "v"), stream, r.xread({"stream": "0"}), r.incr("n"),
        sorted(r.scan_iter(count=2)), r.info("server")["redis_mode"],
    ]

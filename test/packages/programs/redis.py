# differs: without an allow list, a connection raises what the package raises if it cannot connect
import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry


def main(args, context):
    pool = redis.ConnectionPool.from_url("rediss://me:pw@host.invalid:6380/2?decode_responses=True")
    client = redis.Redis(connection_pool=pool, retry=Retry(ExponentialBackoff(cap=0.01, base=0.001), 1))
    settings = {k: pool.connection_kwargs[k] for k in ("host", "port", "db", "username", "decode_responses")}
    try:
        client.get("x")
    except redis.ConnectionError as error:
        offline = type(error).__name__
    pipe = client.pipeline().set("a", 1).incr("a")
    return [settings, offline, len(pipe), pool.connection_class.__name__]

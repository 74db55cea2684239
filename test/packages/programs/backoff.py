import asyncio

import backoff


def main(args, context):
    events = []
    calls = {"n": 0}

    @backoff.on_exception(backoff.constant, ConnectionError, interval=0, jitter=None, max_tries=4, on_backoff=lambda d: events.append(["again", d["tries"], d["wait"]]))
    def flaky(limit):
        calls["n"] += 1
        if calls["n"] < limit:
            raise ConnectionError(calls["n"])
        return calls["n"]

    @backoff.on_predicate(backoff.expo, lambda value: value is None, factor=0, jitter=None, max_tries=3, on_giveup=lambda d: events.append(["given up", d["value"]]))
    def never():
        return None

    @backoff.on_exception(backoff.fibo, ValueError, max_value=0, jitter=None, giveup=lambda error: "fatal" in str(error))
    async def fatal():
        events.append("called")
        raise ValueError("fatal")

    good = flaky(3)
    calls["n"] = 0
    try:
        flaky(100)
    except ConnectionError as error:
        events.append(["failed", error.args[0]])
    try:
        asyncio.run(fatal())
    except ValueError as error:
        events.append(str(error))
    waits = backoff.expo(base=3, max_value=50)
    next(waits)
    return [good, never(), events, [next(waits) for _ in range(6)]]

import asyncio

from blinker import Namespace, signal

signals = Namespace()
ordered = signals.signal("ordered", doc="sent for each order")


class Shop:
    def __init__(self, name):
        self.name = name


async def main(args, context):
    log = []
    one, two = Shop("one"), Shop("two")

    @ordered.connect
    def every(sender, **data):
        log.append([sender.name, data["item"]])
        return len(log)

    @ordered.connect_via(two)
    def only_two(sender, item):
        log.append("two")

    async def later(sender, **data):
        await asyncio.sleep(0)
        log.append("async")

    results = [value for _, value in ordered.send(one, item="a")] + [len(ordered.send(two, item="b"))]
    with ordered.muted():
        ordered.send(one, item="c")
    with ordered.connected_to(later, sender=one):
        await ordered.send_async(one, item="d", _sync_wrapper=wrap)
    ordered.disconnect(every)
    ordered.send(one, item="e")
    return [results, log, bool(ordered.receivers), signal("x") is signal("x"), ordered.__doc__]


def wrap(function):
    async def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper

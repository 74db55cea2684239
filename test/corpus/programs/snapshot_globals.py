"""Module-level state: caches, counters and registries that a program fills when it is loaded."""
import functools
import threading
import types

SQUARES = {n: n * n for n in range(5)}
REGISTRY = {}
LOCK = threading.Lock()
CONFIG = types.MappingProxyType({"retries": 3})
COUNTER = iter(range(100))


def register(name):
    def decorate(function):
        REGISTRY[name] = function
        return function
    return decorate


@register("double")
def double(x):
    return 2 * x


@register("triple")
@functools.cache
def triple(x):
    return 3 * x


class Lazy:
    def __init__(self, make):
        self.make = make

    def __getattr__(self, name):
        if name == "value":
            self.value = self.make()
            return self.value
        raise AttributeError(name)


TABLE = Lazy(lambda: [next(COUNTER) for _ in range(3)])
triple(2)


def __getattr__(name):
    if name == "dynamic":
        return "made on demand"
    raise AttributeError(f"module has no {name}")


def main(args, context):
    import function

    with LOCK:
        first = TABLE.value
    try:
        CONFIG["retries"] = 4
    except TypeError as error:
        frozen = str(error)
    try:
        function.nothing
    except AttributeError as error:
        missing = str(error)
    return {"squares": SQUARES, "calls": {n: f(5) for n, f in REGISTRY.items()}, "hits": list(triple.cache_info()), "lazy": [first, TABLE.value is first, next(COUNTER)], "frozen": frozen, "module": [function.dynamic, missing, function.double is double, function.__name__, sorted(n for n in vars(function) if n.isupper())]}

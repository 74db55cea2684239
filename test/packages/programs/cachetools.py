import threading

from cachetools import LFUCache, LRUCache, TTLCache, cached, cachedmethod
from cachetools.func import ttl_cache
from cachetools.keys import hashkey, typedkey


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Squares:
    def __init__(self):
        self.cache = LRUCache(2)
        self.calls = []

    @cachedmethod(lambda self: self.cache, key=lambda self, n: hashkey(n % 10))
    def get(self, n):
        self.calls.append(n)
        return n * n


def main(args, context):
    clock = Clock()
    ttl = TTLCache(10, ttl=5, timer=clock)
    ttl["a"] = 1
    clock.now = 4
    ttl["b"] = 2
    clock.now = 6
    alive = sorted(ttl)
    squares = Squares()
    values = [squares.get(n) for n in (1, 11, 2, 3, 1)]
    sized = LRUCache(10, getsizeof=len)
    sized["x"], sized["y"], sized["z"] = "aaaa", "bbbb", "cccc"
    least = LFUCache(2)
    least["a"], least["b"] = 1, 2
    least["a"], least["c"] = least["a"], 3

    @cached(LRUCache(8), key=typedkey, lock=threading.RLock(), info=True)
    def typed(x):
        return type(x).__name__

    @ttl_cache(maxsize=2)
    def function(x):
        return -x

    names = [typed(1), typed(1.0), typed(1)]
    return [alive, values, squares.calls, sorted(sized), sized.currsize, sorted(least), names, list(typed.cache_info()), [function(1), function(1)], list(function.cache_info())]

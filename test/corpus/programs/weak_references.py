"""Caches with weak references, finalizers, cycles and the garbage collector."""
import gc
import sys
import weakref


class Node:
    def __init__(self, name, log):
        self.name, self.log = name, log

    def __del__(self):
        self.log.append("del " + self.name)

    def method(self):
        return self.name


class Slotted:
    __slots__ = ("x",)


def attempt(function):
    try:
        return repr(function())
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    log, out = [], {}
    gc.collect()
    a, b = Node("a", log), Node("b", log)
    ref = weakref.ref(a, lambda r: log.append("callback"))
    proxy, method = weakref.proxy(b), weakref.WeakMethod(a.method)
    values, keys, group = weakref.WeakValueDictionary(a=a, b=b), weakref.WeakKeyDictionary({a: 1}), weakref.WeakSet([a, b])
    weakref.finalize(b, log.append, "finalized")
    out["alive"] = [ref() is a, proxy.name, method()(), len(values), len(keys), len(group), weakref.getweakrefcount(a) >= 2]
    del a
    out["a"] = [ref(), method(), sorted(values), len(keys), len(group), log[:]]
    b.self = b
    del b
    out["cycle"] = [len(log), attempt(lambda: proxy.name)]
    gc.collect()
    out["collected"] = [log[:], attempt(lambda: proxy.name), len(group), list(values)]
    out["errors"] = [attempt(lambda: weakref.ref(5)), attempt(lambda: weakref.ref(Slotted())), attempt(lambda: hash(weakref.proxy(Node("p", [])))), attempt(lambda: weakref.ref([]))]
    log.clear()
    nodes = [Node(str(i), log) for i in range(4)]
    for i, n in enumerate(nodes):
        n.next = nodes[(i + 1) % 4]
    del nodes, n
    out["ring"] = [gc.collect() > 0, sorted(log), gc.garbage, gc.isenabled(), gc.is_tracked({}), gc.is_tracked([1]), gc.is_tracked(1)]
    x = []
    out["refs"] = [sys.getrefcount(x), len(gc.get_referrers(x)) >= 0, gc.get_count()[0] >= 0, [g["collections"] >= 0 for g in gc.get_stats()]]
    events = []
    gc.callbacks.append(lambda phase, info: events.append([phase, info["generation"]]))
    gc.collect(0)
    gc.callbacks.pop()
    out["callbacks"] = events
    log.clear()
    try:
        local = Node("in frame", log)
        raise ValueError
    except ValueError as error:
        kept = error
        del local
    out["frame"] = [log[:], "local" in kept.__traceback__.tb_frame.f_locals]
    stop = weakref.finalize(Node, print)
    out["finalize"] = [stop.alive, stop.detach() is not None, stop.alive, stop.atexit]
    return out

import inspect

import wrapt

log = []


@wrapt.decorator
def traced(wrapped, instance, args, kwargs):
    log.append([wrapped.__name__, None if instance is None else getattr(instance, "__name__", type(instance).__name__), list(args), kwargs])
    return wrapped(*args, **kwargs)


@traced
def function(a: int, b: str = "x") -> str:
    """Doc."""
    return b * a


class Service:
    @traced
    def method(self, n):
        return n + 1

    @traced
    @classmethod
    def make(cls):
        return cls

    @staticmethod
    @traced
    def help():
        return "help"

    @wrapt.synchronized
    def locked(self):
        return "locked"


class Counted(wrapt.ObjectProxy):
    def __init__(self, wrapped):
        super().__init__(wrapped)
        self._self_count = 0

    def append(self, item):
        self._self_count += 1
        self.__wrapped__.append(item)


def main(args, context):
    log.clear()
    service = Service()
    values = [function(2), function(a=1, b="y"), service.method(1), Service.make().__name__, service.help(), service.locked()]
    items = Counted([1])
    items.append(2)
    items += [3]
    patched = wrapt.wrap_function_wrapper(__name__, "Service.method", lambda wrapped, instance, args, kwargs: -wrapped(*args, **kwargs))
    try:
        values.append(service.method(5))
    finally:
        Service.method = patched.__wrapped__
    weak = wrapt.WeakFunctionProxy(service.method)
    lazy = wrapt.PartialCallableObjectProxy(function, 3)
    return [
        values, log, str(inspect.signature(function)), function.__doc__, function.__wrapped__.__name__, [items == [1, 2, 3], len(items), items._self_count, isinstance(items, list), type(items).__name__],
        weak(1), lazy(b="z"), wrapt.CallableObjectProxy(len)("abc"), hash(wrapt.ObjectProxy("k")) == hash("k"), [*map(str, (wrapt.ObjectProxy(5) + 1, 2 * wrapt.ObjectProxy(1.5)))],
    ]

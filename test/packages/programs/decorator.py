import inspect

from decorator import contextmanager, decorate, decorator, dispatch_on, FunctionMaker

log = []


@decorator
def logged(function, label="call", *args, **kwargs):
    log.append([label, function.__name__, list(args), kwargs])
    return function(*args, **kwargs)


@logged(label="sum")
def add(a: int, b: int = 2, *rest, c=3) -> int:
    """Adds."""
    return a + b + sum(rest) + c


@contextmanager
def section(name):
    log.append("<" + name)
    yield
    log.append(name + ">")


@section("body")
def inside(x):
    log.append(x)


@dispatch_on("shape")
def area(shape):
    raise NotImplementedError(type(shape))


@area.register(int)
def area_of_int(shape):
    return shape * shape


def main(args, context):
    log.clear()
    values = [add(1), add(1, 5, 6, c=0)]
    inside("x")
    cached = decorate(lambda x: x + 1, lambda function, *args, **kwargs: -function(*args, **kwargs))
    made = FunctionMaker.create("double(x, y=1)", "return x * 2 + y", {})
    return [values, log, str(inspect.signature(add)), add.__doc__, cached(4), made(3, 1), area(4), str(inspect.signature(made))]

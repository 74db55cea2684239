"""A decorator, a comprehension and an unpacking between main and the failure."""
import functools


def logged(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


@logged
def split(line):
    name, value = line.split("=")
    return name, value


def main(args, context):
    return dict(split(line) for line in ["a=1", "b", "c=3"])

"""A generator raises StopIteration, which becomes a RuntimeError with a cause."""


def numbers():
    yield 1
    yield next(iter([]))


class Squares:
    def __iter__(self):
        for n in numbers():
            yield n * n


def main(args, context):
    return list(Squares())

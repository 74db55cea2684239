import pickle

import cloudpickle


def factory(base):
    class Adder:
        """Adds to a base."""

        def __init__(self, n):
            self.n = n

        def __call__(self, x):
            return base + self.n + x

    return Adder


def main(args, context):
    counter = [0]

    def closure(x, *, step=1):
        counter[0] += step
        return [x, counter[0]]

    copy = pickle.loads(cloudpickle.dumps(closure))
    adder = pickle.loads(cloudpickle.dumps(factory(10)(5)))
    recursive = cloudpickle.loads(cloudpickle.dumps(lambda f, n: 1 if n < 2 else n * f(f, n - 1)))
    kinds = [cloudpickle.loads(cloudpickle.dumps(x)) for x in (range(3), type(None), {1: {2}}, b"b", Ellipsis)]
    return [copy("a"), copy("b", step=5), counter, adder(1), type(adder).__doc__, recursive(recursive, 6), [repr(kind) for kind in kinds]]

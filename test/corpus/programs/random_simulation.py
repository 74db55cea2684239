"""A seeded simulation: every method of random gives the same numbers everywhere."""
import random
import statistics
import uuid


def attempt(function):
    try:
        return function()
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    r = random.Random(42)
    out = {"basic": [r.random(), r.uniform(1, 10), r.randint(1, 6), r.randrange(0, 100, 7), r.getrandbits(100), r.randbytes(5).hex(), r.choice("abc"), r.choices("abc", [1, 2, 3], k=5), r.sample(range(10**9), 3), r.sample(["a", "b"], 3, counts=[2, 2])]}
    deck = list(range(10))
    r.shuffle(deck)
    out["deck"] = deck
    out["distributions"] = [r.gauss(0, 1), r.gauss(0, 1), r.normalvariate(5, 2), r.expovariate(1.5), r.betavariate(2, 3), r.gammavariate(2, 1), r.gammavariate(0.5, 1), r.lognormvariate(0, 1), r.paretovariate(3), r.weibullvariate(1, 2), r.vonmisesvariate(1, 4), r.triangular(0, 1, 0.3), r.binomialvariate(100, 0.3)]
    state = r.getstate()
    first = [r.random() for _ in range(3)]
    r.setstate(state)
    out["state"] = [first == [r.random() for _ in range(3)], state[0], len(state[1])]
    out["seeds"] = [random.Random(s).random() for s in (0, -1, 2**70, "text", b"bytes", bytearray(b"x"), 1.5, None.__class__ is None and 1 or 7)]
    out["old"] = (lambda s: (s.seed("text", version=1), s.random())[1])(random.Random())
    random.seed(7)
    out["global"] = [random.random(), random.randint(0, 2**40), random.choice([1, 2, 3])]
    out["uuid"] = [str(uuid.UUID(int=random.Random(1).getrandbits(128), version=4)), str(uuid.uuid5(uuid.NAMESPACE_DNS, "example.org")), str(uuid.uuid3(uuid.NAMESPACE_URL, "http://x")), uuid.uuid4().version, uuid.UUID("{12345678-1234-5678-1234-567812345678}").hex, attempt(lambda: uuid.UUID("xyz")), uuid.UUID(int=2**127).variant, uuid.uuid1(node=1, clock_seq=2).node]
    walk = [sum(r.choice((-1, 1)) for _ in range(100)) for _ in range(200)]
    out["walk"] = [statistics.mean(walk), statistics.pstdev(walk), statistics.quantiles(walk, n=4), max(walk)]
    out["errors"] = [attempt(lambda: r.choice([])), attempt(lambda: r.randrange(5, 5)), attempt(lambda: r.sample([1], 2)), attempt(lambda: r.seed([])), attempt(lambda: r.randint(1.5, 2)), attempt(lambda: r.choices([1], k=-1)), attempt(lambda: r.sample({1}, 1)), attempt(lambda: r.getrandbits(-1))]
    pi = sum(r.random() ** 2 + r.random() ** 2 < 1 for _ in range(5000)) / 1250
    out["pi"] = pi
    return out

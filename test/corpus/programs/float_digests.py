"""Digests of thousands of float operations: printing, parsing, rounding and functions of libm."""
import hashlib
import math
import random
import struct


def digest(values):
    h = hashlib.sha256()
    for v in values:
        h.update(v.encode() if isinstance(v, str) else struct.pack("<d", v))
    return h.hexdigest()[:16]


def main(args, context):
    rng = random.Random(2024)
    bits = [struct.unpack("<d", struct.pack("<Q", rng.getrandbits(64)))[0] for _ in range(3000)]
    floats = [f for f in bits if math.isfinite(f)]
    small = [rng.uniform(-20, 20) for _ in range(2000)]
    positive = [abs(f) + 1e-9 for f in small]
    return {
        "repr": digest(map(repr, floats)), "parse": all(float(repr(f)) == f for f in floats), "fixed": digest(f"{f:.6e}|{f:.3g}" for f in floats), "round": digest(round(f, n) for f in small for n in (-1, 0, 1, 5, 10)), "percent": digest("%.10f" % f for f in small), "hex": digest(f.hex() for f in floats), "sqrt": digest(map(math.sqrt, positive)), "fmod": digest(math.fmod(a, b) for a, b in zip(small, positive[::-1])), "modulo": digest(a % b for a, b in zip(small, positive[::-1])), "floor": sum(map(math.floor, small)), "sum": [sum(small), math.fsum(small)], "arithmetic": digest((a * b + c) / (abs(a) + 1) for a, b, c in zip(small, positive, small[::-1])), "ratio": digest(str(f.as_integer_ratio()) for f in small[:300]), "int": digest(str(int(f)) for f in floats[:500]), "fma": digest(math.fma(a, b, 1.0) for a, b in zip(small, positive)), "hypot": digest(math.hypot(a, b) for a, b in zip(small, positive)), "ldexp": digest(math.ldexp(f, 3) for f in small), "decimal": digest(str(hash(f) % 1000) if False else f"{f:.17g}" for f in small),
        "close": {name: digest(f"{getattr(math, name)(v):.11e}" for v in (positive if name.startswith("log") else small)[:500]) for name in "sin cos tan exp log log2 log10 log1p sinh cosh tanh atan erf cbrt expm1 exp2".split()}, "pow": digest(f"{a ** (b / 10):.11e}" for a, b in zip(positive[:500], small)),
    }

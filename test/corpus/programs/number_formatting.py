"""Formats numbers in every way, and parses them back."""
import cmath
import fractions
import math
import string
import sys

VALUES = [0, -0.0, 1, -1, 0.1, 1 / 3, 2.5, 3.5, 1e16, 123456789.123456789, 1e-5, 1e22, 1e23, 5e-324, 1.7976931348623157e308, float("inf"), float("nan"), 10**25, -(2**63), True]
SPECS = ["", "d", "n", ",", "_", "x", "#o", "b", "e", ".0e", "f", ".0f", ".10f", "g", ".3g", "G", "%", "+", " ", "010", ">10", "^+12.2f", "*<8", "=+10", "z.0f", "_x", ",.2f", "s", "c", ".17g", "#.3g", "E", "08,.1f"]


def attempt(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    texts = ["1_000", " 12 ", "0x1f", "1e5", "inf", "-NaN", "١٢٣", "1__0", "", "1,000", "0b101", "1e400", "0.1e-400", "+-1", "9" * 4301, "\u00bd"]
    return {
        "format": {s: [attempt(format, v, s) for v in VALUES] for s in SPECS}, "percent": [attempt(lambda f=f, v=v: f % v) for f in ("%d", "%5.1f", "%x", "%s", "%r", "%e", "%g", "%c", "%#x", "%+d", "%05d", "%i", "%u", "%a", "%%") for v in (65, 3.99, "x")],
        "repr": [repr(v) for v in VALUES], "int": [[attempt(int, t), attempt(lambda: repr(float(t))), attempt(int, t, 0)] for t in texts], "bases": [attempt(int, t, b) for t, b in (("z", 36), ("10", 1), ("2", 2), ("0o17", 8), ("ff", 16), ("1" * 70, 2))],
        "round": [[round(v, n) for n in (0, 1, 2, -1)] + [round(v)] for v in (0.5, 1.5, 2.5, 2.675, -2.5, 1234.5678, 1e16, 25)], "floor": [[7 // 2, -7 // 2, 7 % -3, -7 % 3, 7.5 // -2, -7.5 % 2, divmod(-7, 2), divmod(7.5, -2)]],
        "hex": [v.hex() for v in (0.1, -1e-320, 1e300)] + [float.fromhex("0x1.8p3"), attempt(float.fromhex, "0x1p2000")], "ratio": [list(v.as_integer_ratio()) for v in (0.1, 2.5, 1e20)] + [str(fractions.Fraction(0.1).limit_denominator(10)), str(fractions.Fraction("3.14")), format(fractions.Fraction(22, 7), ".3f")],
        "math": [math.sin(1), math.cos(1e22), math.tan(1.5), math.exp(10.5), math.log(10), math.log2(3), math.log10(7), math.pow(2.5, 3.7), math.sinh(3), math.atan2(1, 3), math.gamma(5.5), math.lgamma(100.5), math.erf(0.7), math.cbrt(10), math.expm1(1e-5), math.log1p(1e-5), math.hypot(3, 4, 5), math.dist([1, 2], [4, 6.5]), math.fsum([0.1] * 10), math.fma(1.1, 2.2, 3.3), math.acosh(2.2), math.asin(0.3), math.exp2(0.3)],
        "pow": [2**0.5, 10**-3, (-8) ** (1 / 3).real if False else 1.1**100, 7.7**7.7, 0.9**1000, attempt(lambda: 0.0**-1), attempt(lambda: 10.0**400), attempt(lambda: (-2.0) ** 0.5 == 1), pow(3, -1, 7), attempt(pow, 2, -1, 4)],
        "complex": [str(cmath.sqrt(-2)), str(cmath.exp(1 + 2j)), str((1 + 2j) ** 3), str(cmath.log(-1)), str(complex("1+2j")), f"{1.5 + 2.25j:.1f}", repr(-0j), str(cmath.rect(2, 1)), str(abs(3 + 4j))],
        "errors": [attempt(math.sqrt, -1), attempt(math.log, 0), attempt(math.exp, 1000), attempt(math.factorial, -1), attempt(lambda: 1 // 0), attempt(lambda: 1.0 % 0), attempt(int, float("inf")), attempt(int, float("nan")), attempt(lambda: 10**400 * 1.0), attempt(math.gamma, -1), attempt(math.acos, 2), attempt(math.pow, 0.0, -1)],
        "integers": [math.isqrt(10**30), math.comb(50, 25), math.perm(10, 3), math.gcd(12, 18, 27), math.lcm(4, 6), (2**100).bit_length(), (255).bit_count(), (1000).to_bytes(3, "little").hex(), int.from_bytes(b"\xff\x00", signed=True), -5 >> 1, 1 << 70, ~7, attempt(lambda: 1 << -1), attempt((300).to_bytes, 1)],
        "next": [math.nextafter(1, 2), math.ulp(1e10), math.frexp(10.5), math.ldexp(0.7, 5), math.modf(-3.7), math.remainder(7, 4), math.copysign(1, -0.0), math.trunc(-3.7), math.nextafter(0, 1, steps=3)], "limits": [sys.float_info.max, sys.float_info.dig, sys.float_info.epsilon, sys.get_int_max_str_digits()],
        "template": [attempt("{0:>{1}}|{x!r:^10}|{0.real}|{l[1]}".format, 5, 8, ), "{0:>{1}}|{x!r:^10}|{0.real}|{l[1]}".format(5, 8, x="é", l=[1, 2]), attempt("{} {1}".format, 1, 2), attempt("{a.b}".format), string.Formatter().vformat("{0}{k}", (1,), {"k": 2}), f"{3.14159:{'10.2f'}}", f"{'x'=}", f"{1 + 1 = }", f"{'q':\N{BLACK STAR}>5}"],
    }

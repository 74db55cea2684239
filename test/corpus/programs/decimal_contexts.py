"""Contexts of decimal: rounding, traps, signals, special values, and the functions of IEEE 754."""
import decimal
from decimal import Context, Decimal, DefaultContext, ExtendedContext, getcontext, localcontext

ROUNDINGS = [decimal.ROUND_CEILING, decimal.ROUND_DOWN, decimal.ROUND_FLOOR, decimal.ROUND_HALF_DOWN, decimal.ROUND_HALF_EVEN, decimal.ROUND_HALF_UP, decimal.ROUND_UP, decimal.ROUND_05UP]


def attempt(function):
    try:
        return str(function())
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def pi():
    with localcontext(prec=60) as c:
        three = Decimal(3)
        lasts, t, s, n, na, d, da = 0, three, 3, 1, 0, 0, 24
        while s != lasts:
            lasts = s
            n, na = n + na, na + 8
            d, da = d + da, da + 32
            t = (t * n) / d
            s += t
    return str(+s)


def main(args, context):
    d = Decimal
    values = ["0", "-0", "1.50", "1E+3", "-1.23E-10", "Infinity", "-Infinity", "NaN", "sNaN7", "9" * 40, "1e-1000000", "0E+5"]
    return {
        "rounding": {r: [str(d(v).quantize(d("1"), rounding=r)) for v in ("2.5", "-2.5", "1.1", "-1.9", "0.05", "15.0000001")] for r in ROUNDINGS}, "values": [[v, str(d(v)), repr(d(v).normalize()) if "s" not in v else "", d(v).is_zero(), d(v).number_class() if not d(v).is_snan() else "s", d(v).to_eng_string(), d(v).adjusted() if d(v).is_finite() else None] for v in values], "pi": pi(),
        "arithmetic": [attempt(f) for f in (lambda: d("1") / 3, lambda: d(2) ** d("0.5"), lambda: d("7") % d("-3"), lambda: d("-7") // 2, lambda: divmod(d("7.5"), 2), lambda: d("1e500000") * d("1e500000"), lambda: d(0) / 0, lambda: d("inf") - d("inf"), lambda: d("sNaN") + 1, lambda: d(-1).sqrt(), lambda: d(0).ln(), lambda: d(10) ** 1000000, lambda: d(1).compare(d("NaN")), lambda: d("NaN") == d("NaN"), lambda: d("NaN") < 1, lambda: d(1) + 1.5, lambda: d(1) < 1.5, lambda: round(d("2.675"), 2), lambda: round(d("2.5")), lambda: int(d("-3.9")), lambda: float(d("0.1")), lambda: hash(d("1e20")) == hash(10**20), lambda: d("1.1").fma(3, d("0.01")), lambda: d("12345.678").shift(2), lambda: d("1").next_plus(), lambda: d("1000").logb(), lambda: d("1.20").same_quantum(d("3.45")), lambda: d(1).max(d("NaN")), lambda: d("0.5").to_integral_value(), lambda: d("123").scaleb(-2), lambda: d("1.0").compare_total(d("1")), lambda: d("1101").logical_and(d("1011")), lambda: d("3").copy_sign(d("-0")))],
        "contexts": [repr(DefaultContext), getcontext().prec, attempt(lambda: Context(prec=3).divide(1, 3)), attempt(lambda: ExtendedContext.divide(1, 0)), attempt(lambda: Context(prec=0)), attempt(lambda: Context(rounding="x")), attempt(lambda: Context(Emax=9, Emin=-9).create_decimal("1e10")), attempt(lambda: Context(prec=3, traps=[decimal.Rounded]).create_decimal("1.2345")), attempt(lambda: Context(clamp=1, Emax=10, Emin=-10, prec=5).create_decimal("1e10"))], "limits": [decimal.MAX_PREC > 10**8, decimal.HAVE_THREADS in (True, False), decimal.HAVE_CONTEXTVAR], "format": [format(d("1234567.891"), s) for s in (",.2f", "e", "+.3g", "010.1f", "%", "n", "*^20", ".0f", "G")], "construct": [attempt(lambda: d((1, (1, 2), -1))), attempt(lambda: d((0, (), "F"))), attempt(lambda: d("1_000.5")), attempt(lambda: d(" 1 ")), attempt(lambda: d("١.٥")), attempt(lambda: d([])), attempt(lambda: d((2, (1,), 0))), attempt(lambda: d("1e"))],
    }

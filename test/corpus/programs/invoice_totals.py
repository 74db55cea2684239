"""Totals invoices with discounts, taxes and currencies, in exact decimals."""
# args: {"lines": [["Widget", "3", "19.99", "0.19"], ["Gadget", "0.5", "1234.565", "0.07"], ["Refund", "-1", "5.005", "0.19"], ["Bulk", "1000", "0.0049", "0"]], "rates": {"USD": "1.0842", "JPY": "163.27"}}
from collections import defaultdict
from decimal import (
    ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, localcontext,
)

CENT = Decimal("0.01")


def cents(amount, rounding=ROUND_HALF_UP):
    return amount.quantize(CENT, rounding=rounding)


def allocate(total, weights):
    """Split a total by weights so that the cents add up."""
    parts = [(total * w / sum(weights)).quantize(CENT, rounding=ROUND_HALF_EVEN) for w in weights]
    parts[-1] += total - sum(parts)
    return parts


def main(args, context):
    taxes = defaultdict(Decimal)
    rows, net = [], Decimal()
    for name, quantity, price, rate in args["lines"]:
        amount = cents(Decimal(quantity) * Decimal(price))
        taxes[Decimal(rate)] += amount * Decimal(rate)
        net += amount
        rows.append(f"{name:<10}|{Decimal(quantity):>8}|{amount:>12,.2f}|{Decimal(rate):.0%}")
    tax = sum((cents(t) for t in taxes.values()), Decimal(0))
    gross = net + tax
    with localcontext(Context(prec=6)) as tight:
        third = Decimal(1) / 3
        flags = [tight.flags[Inexact]]
    errors = []
    for attempt in (lambda: Decimal("12,50"), lambda: Decimal(1) / 0, lambda: Decimal("1e10").quantize(Decimal("1e-25"))):
        try:
            attempt()
        except (InvalidOperation, DivisionByZero) as error:
            errors.append([type(error).__name__, [str(e) for e in error.args[0]] if isinstance(error.args[0], list) else str(error)])
    return {
        "rows": rows, "net": str(net), "tax": str(tax), "gross": str(gross),
        "converted": {c: str((gross * Decimal(r)).quantize(Decimal(1) if c == "JPY" else CENT)) for c, r in args["rates"].items()},
        "split": [str(p) for p in allocate(gross, [1, 1, 1])], "third": str(third), "flags": flags, "errors": errors,
        "up": str(cents(Decimal("0.001"), ROUND_UP)), "tuple": list(Decimal("-12.30").as_tuple()[1]),
        "ratio": list(Decimal("3.125").as_integer_ratio()), "normal": str(Decimal("1200.00").normalize()),
        "sci": [f"{gross:e}", format(Decimal("1234567.891"), ",.1f"), f"{Decimal('NaN')}", str(Decimal("1E+5")), f"{Decimal('1E+5'):f}"],
        "compare": [Decimal("2.0") == 2.0, Decimal("0.1") == 0.1, hash(Decimal("2.50")) == hash(2.5), str(max(Decimal("1"), Decimal("1.0")))],
        "functions": [str(Decimal(2).sqrt()), str(Decimal(10).ln()), str(Decimal("2.5").exp()), str(Decimal(7) ** -2), str(Decimal(100).log10())],
        "from_float": [str(Decimal(0.1)), str(Decimal.from_float(1e300))[:20], float(Decimal("1e400")) == float("inf")],
    }

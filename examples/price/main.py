"""Quote the price of a parcel: rules in the code, rates in a table, settings in the context.

The table is parsed once, when the function is deployed. Every run starts from the memory image of
that moment, so a large table costs a run nothing.
"""

import csv
import hashlib
import hmac
import io
import json
import re
from bisect import bisect_left
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

# Zone, largest weight in grams, price. In a real function this has thousands of lines.
RATES_CSV = """\
home,1000,4.49
home,5000,6.99
home,31500,16.49
near,1000,9.49
near,5000,14.99
near,31500,38.00
far,1000,16.99
far,5000,29.99
"""
NEAR = frozenset("AT BE CH CZ DK FR LU NL PL".split())
COUNTRY = re.compile(r"[A-Z]{2}")


def read_rates(text: str) -> dict[str, list[tuple[int, Decimal]]]:
    """Parse the table: for each zone, the largest weight and the price of each step, in order."""
    rates: dict[str, list[tuple[int, Decimal]]] = {}
    for zone, grams, price in csv.reader(io.StringIO(text)):
        rates.setdefault(zone, []).append((int(grams), Decimal(price)))
    return {zone: sorted(steps) for zone, steps in rates.items()}


RATES = read_rates(RATES_CSV)  # once, at deployment


class Parcel(NamedTuple):
    """The parcel that a caller asks about."""

    country: str
    grams: int
    value: Decimal
    express: bool


Rule = Callable[[Parcel, Decimal, dict[str, Any]], Decimal]


def express(parcel: Parcel, price: Decimal, context: dict[str, Any]) -> Decimal:
    """Multiply the price of express parcels."""
    return price * Decimal(context["express_factor"]) if parcel.express else price


def insurance(parcel: Parcel, price: Decimal, context: dict[str, Any]) -> Decimal:
    """Insure parcels that are worth more than a limit, for a share of their value."""
    if parcel.value <= Decimal(context["insured_above"]):
        return price
    return price + parcel.value * Decimal(context["insurance_rate"])


def fuel(parcel: Parcel, price: Decimal, context: dict[str, Any]) -> Decimal:
    """Add a surcharge in per cent of the price so far."""
    return price * (1 + Decimal(context["fuel_percent"]) / 100)


RULES: tuple[Rule, ...] = (express, insurance, fuel)  # applied in this order


def base_price(parcel: Parcel, home: str) -> Decimal:
    """Return the price from the table. Raise ValueError if the parcel is too heavy for its zone."""
    zone = "home" if parcel.country == home else "near" if parcel.country in NEAR else "far"
    steps = RATES[zone]
    i = bisect_left(steps, parcel.grams, key=lambda step: step[0])
    if i == len(steps):
        raise ValueError(
            f"parcels to {parcel.country} weigh at most {steps[-1][0]} g, not {parcel.grams} g"
        )
    return steps[i][1]


def main(args: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """Return the price, its steps, and a signature with which the checkout verifies the quote.

    args has "country" and "grams", and may have "value" and "express". context has the settings of
    the rules, the country "home", and "key", the secret that signs the quote.
    """
    parcel = Parcel(
        args["country"],
        int(args["grams"]),
        Decimal(args.get("value", "0")),
        bool(args.get("express")),
    )
    if not COUNTRY.fullmatch(parcel.country):
        raise ValueError(f"{parcel.country!r} is not a country code of two letters")
    price = base_price(parcel, context["home"])
    steps = [{"rule": "base", "price": str(price)}]
    for rule in RULES:
        before, price = price, rule(parcel, price, context)
        if price != before:
            steps.append({"rule": rule.__name__, "price": f"{price:f}"})
    quote = {
        "country": parcel.country,
        "grams": parcel.grams,
        "total": str(price.quantize(Decimal("0.01"), ROUND_HALF_UP)),
    }
    signed = json.dumps(quote, sort_keys=True).encode()
    signature = hmac.new(context["key"].encode(), signed, hashlib.sha256).hexdigest()
    return {"quote": quote, "steps": steps, "signature": signature}

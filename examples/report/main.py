"""Turn a CSV export of orders into a monthly report.

Amounts are decimals, never floats, so sums of money are exact; half a cent is rounded to the even
cent. An order counts for the month in which it falls in the report's time zone.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

COLUMNS = ["month", "currency", "orders", "net", "tax", "gross"]
CENT = Decimal("0.01")


@dataclass
class Totals:
    """Sums over the orders of one month and currency."""

    orders: int = 0
    net: Decimal = field(default_factory=Decimal)
    tax: Decimal = field(default_factory=Decimal)


def read_orders(text: str, zone: ZoneInfo) -> Iterator[tuple[str, str, Decimal, Decimal]]:
    """Yield month, currency, net amount and tax rate of each row.

    A time without an offset is UTC. Raise ValueError with the line and its values if a row cannot
    be read.
    """
    rows = csv.DictReader(io.StringIO(text))
    for row in rows:
        try:
            month = datetime.fromisoformat(row["ordered"]).astimezone(zone).strftime("%Y-%m")
            yield month, row["currency"], Decimal(row["net"]), Decimal(row["tax_rate"])
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            raise ValueError(f"line {rows.line_num}: {error!r} in {row}") from error


def summarize(orders: Iterable[tuple[str, str, Decimal, Decimal]]) -> list[dict[str, Any]]:
    """Return one row per month and currency, in this order. Tax is rounded per order."""
    groups: dict[tuple[str, str], Totals] = defaultdict(Totals)
    for month, currency, net, rate in orders:
        totals = groups[month, currency]
        totals.orders += 1
        totals.net += net
        totals.tax += (net * rate).quantize(CENT, ROUND_HALF_EVEN)
    return [
        dict(zip(COLUMNS, (month, currency, t.orders, str(t.net), str(t.tax), str(t.net + t.tax))))
        for (month, currency), t in sorted(groups.items())
    ]


def to_csv(rows: list[dict[str, Any]]) -> str:
    """Render the report as CSV with a header."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def main(args: dict[str, Any], context: dict[str, Any]) -> Any:
    """Return the report as a list of objects, or as CSV if args["format"] is "csv".

    args has "csv", the export. context has "timezone", the IANA name of the report's time zone.
    """
    rows = summarize(read_orders(args["csv"], ZoneInfo(context["timezone"])))
    return to_csv(rows) if args.get("format") == "csv" else rows

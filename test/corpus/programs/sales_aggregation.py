"""Groups sales by month and region, with running totals, pivots, percentiles and a text chart."""
# args: {"seed": 11, "rows": 300}
import random
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from itertools import accumulate, groupby
from operator import itemgetter
from statistics import median


def generate(seed, count):
    rng = random.Random(seed)
    for n in range(count):
        yield {"day": date(2024, 1, 1) + timedelta(days=rng.randrange(200)), "region": rng.choice(["Nord", "Süd", "West"]), "amount": Decimal(rng.randrange(100, 99999)) / 100, "units": rng.choices([1, 2, 5, 10], [8, 4, 2, 1])[0]}


def percentile(values, p):
    ordered = sorted(values)
    k = (len(ordered) - 1) * p / 100
    low, high = int(k), min(int(k) + 1, len(ordered) - 1)
    return float(ordered[low]) + (float(ordered[high]) - float(ordered[low])) * (k - low)


def main(args, context):
    rows = sorted(generate(args["seed"], args["rows"]), key=itemgetter("day", "region"))
    pivot = defaultdict(lambda: defaultdict(Decimal))
    for row in rows:
        pivot[f"{row['day']:%Y-%m}"][row["region"]] += row["amount"]
    months = {m: {r: str(v) for r, v in sorted(p.items())} for m, p in pivot.items()}
    totals = {m: sum(p.values()) for m, p in pivot.items()}
    peak = max(totals.values())
    chart = [f"{m} {'█' * round(t / peak * 30):<30} {t:>12,.2f}" for m, t in totals.items()]
    weeks = [[week, len(group := list(g)), str(sum(r["amount"] for r in group))] for week, g in groupby(rows, key=lambda r: r["day"].isocalendar().week)]
    amounts = [r["amount"] for r in rows]
    best = sorted(rows, key=lambda r: (-r["amount"], r["day"]))[:3]
    return {"months": months, "chart": chart, "weeks": weeks[:5], "running": [str(x) for x in accumulate(totals.values())], "median": str(median(amounts)), "percentiles": [percentile(amounts, p) for p in (5, 50, 95)], "best": [[b["day"].isoformat(), b["region"], str(b["amount"])] for b in best], "growth": [round(float(b / a - 1) * 100, 3) for a, b in zip(list(totals.values()), list(totals.values())[1:])], "units": sum(r["units"] for r in rows)}

"""Computes Easter, holidays, working days and payment terms over years."""
# args: {"years": [2024, 2025, 2038, 2100]}
import bisect
from datetime import date, timedelta
from functools import lru_cache
from itertools import count, islice, takewhile


def easter(year):
    a, b, c = year % 19, year // 100, year % 100
    d, e, f = b // 4, b % 4, (b + 8) // 25
    g = (b - f + 1) // 3
    h = (19 * a + b - d - g + 15) % 30
    i, k = c // 4, c % 4
    l = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * l) // 451
    month, day = divmod(h + l - 7 * m + 114, 31)
    return date(year, month, day + 1)


@lru_cache
def holidays(year):
    e = easter(year)
    fixed = {date(year, m, d): n for m, d, n in ((1, 1, "Neujahr"), (5, 1, "Tag der Arbeit"), (10, 3, "Einheit"), (12, 25, "Weihnachten"), (12, 26, "Stephanstag"))}
    return fixed | {e + timedelta(n): t for n, t in ((-2, "Karfreitag"), (1, "Ostermontag"), (39, "Himmelfahrt"), (50, "Pfingstmontag"))}


def workdays(start):
    return (d for d in (start + timedelta(n) for n in count()) if d.weekday() < 5 and d not in holidays(d.year))


def add_months(day, months):
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = (date(year + (month == 11), (month + 1) % 12 + 1, 1) - timedelta(1)).day
    return date(year, month + 1, min(day.day, last))


def main(args, context):
    out = {}
    for year in args["years"]:
        days = sorted(holidays(year).items())
        out[str(year)] = {"easter": easter(year).isoformat(), "holidays": [f"{d:%a %d.%m.} {n}" for d, n in days], "working": sum(1 for _ in takewhile(lambda d: d.year == year, workdays(date(year, 1, 1)))), "after": [d.isoformat() for d in islice(workdays(date(year, 12, 23)), 4)], "bridge": [str(d + timedelta(1)) for d, _ in days if d.weekday() == 3]}
    out["terms"] = [str(add_months(date(2024, 1, 31), n)) for n in (1, 2, 12, 13, -2)]
    starts = [date(2024, m, 1) for m in (1, 4, 7, 10)]
    out["quarter"] = [bisect.bisect(starts, d) for d in (date(2024, 1, 1), date(2024, 6, 30), date(2024, 10, 1))]
    out["age"] = [(t.year - b.year) - ((t.month, t.day) < (b.month, b.day)) for b, t in ((date(2000, 2, 29), date(2023, 2, 28)), (date(2000, 2, 29), date(2023, 3, 1)))]
    return out

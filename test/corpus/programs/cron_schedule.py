"""Expands cron-like schedules into dates over months, leap days and daylight saving time."""
# args: {"from": "2024-02-26T22:00", "expressions": ["0 9 * * 1-5", "*/20 8-9 29 2 *", "30 2 31 3 *", "15,45 */6 1-7 * 0", "0 0 30 2 *"]}
import itertools
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

RANGES = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]


def expand(field, low, high):
    found = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, last = (low, high) if span == "*" else (int(span.split("-")[0]), int(span.split("-")[-1]))
        if not low <= first <= last <= high:
            raise ValueError(f"{part!r} is outside of {low}-{high}")
        found.update(range(first, last + 1, int(step or 1)))
    return found


def times(expression, start):
    minutes, hours, days, months, weekdays = (expand(f, *r) for f, r in zip(expression.split(), RANGES, strict=True))
    day = start.replace(hour=0, minute=0)
    for _ in range(366 * 4):
        if day.month in months and day.day in days and day.isoweekday() % 7 in weekdays:
            for hour, minute in itertools.product(sorted(hours), sorted(minutes)):
                moment = day.replace(hour=hour, minute=minute)
                if moment > start:
                    yield moment
        day += timedelta(days=1)


def main(args, context):
    start, zone = datetime.fromisoformat(args["from"]), ZoneInfo("Europe/Berlin")
    out = {}
    for expression in args["expressions"]:
        found = list(itertools.islice(times(expression, start), 4))
        out[expression] = [[m.isoformat(timespec="minutes"), m.replace(tzinfo=zone).astimezone(ZoneInfo("UTC")).strftime("%a %d %b %H:%M")] for m in found]
    for bad in ("60 * * * *", "* * *", "a * * * *"):
        try:
            next(times(bad, start))
        except ValueError as error:
            out[bad] = str(error)
    return out

import arrow
from arrow import Arrow


def main(args, context):
    start = arrow.get("2024-02-28T22:30:00+01:00")
    paris = start.to("Europe/Paris")
    days = [str(day.date()) for day in Arrow.range("day", start, limit=3)]
    floor, ceiling = start.span("month")
    try:
        arrow.get("2024-02-30")
        refused = ""
    except ValueError as error:
        refused = type(error).__name__
    return [
        start.isoformat(), paris.format("dddd D MMMM YYYY HH:mm ZZ", locale="fr"), start.shift(months=+1, weekday=6).isoformat(),
        start.humanize(start.shift(hours=3)), start.humanize(start.shift(days=-40), locale="de"), days, floor.isoformat(),
        ceiling.isoformat(), arrow.get("5 May 1999", "D MMMM YYYY").timestamp(), start.dehumanize("in 2 hours").isoformat(),
        (start.shift(years=1) - start).days, arrow.get(0, tzinfo="US/Pacific").isoformat(), refused,
    ]

from datetime import datetime, timedelta, timezone

import isodate


def main(args, context):
    parsed = {
        text: isodate.parse_datetime(text).isoformat()
        for text in ("2024-02-29T12:30:45.123Z", "20240229T123045+0130", "2024-W09-4T12", "2024-060T00:00:00-05:00")
    }
    duration = isodate.parse_duration("P1Y2M3DT4H5M6.5S")
    errors = []
    for parse, text in ((isodate.parse_date, "2024-02-30"), (isodate.parse_duration, "1 day"), (isodate.parse_time, "25:00:00")):
        try:
            parse(text)
        except (isodate.ISO8601Error, ValueError) as error:
            errors.append(type(error).__name__)
    start = datetime(2024, 1, 31, tzinfo=timezone.utc)
    return [
        parsed, str(duration), (start + duration).isoformat(), str(duration.totimedelta(start=start)), isodate.duration_isoformat(duration),
        isodate.duration_isoformat(timedelta(days=-1, seconds=5)), isodate.duration_isoformat(isodate.parse_duration("P3W")),
        isodate.datetime_isoformat(start), isodate.strftime(start, "%G-W%V-%u"), str(isodate.parse_time("23:59:59,5")), errors,
    ]

"""Parses, formats and computes with dates at the edges of what they can express."""
import time
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta, timezone
from datetime import time as clock


def attempt(function, *args, **kwargs):
    try:
        return str(function(*args, **kwargs))
    except Exception as error:
        return [type(error).__name__, str(error)]


TEXTS = ["2024-02-29", "20240229", "2024-W09-4", "2023-02-29", "2024-02-29T24:00", "2024-02-29T12:30:45.123456789Z", "2024-02-29 12:30+05:30", "2024-02-29T12:30:45,5", "99999-01-01", "", "2024-1-1"]
FORMATS = "%a %A %w %d %b %B %m %y %Y %H %I %p %M %S %f %z %Z %j %U %W %c %x %X %G %u %V %% %e %D %F %T %s %h %n %t %R %r %C %g %k %l %-d %P".split()


def main(args, context):
    moment = datetime(2024, 2, 29, 15, 4, 5, 678901, timezone(timedelta(hours=-3, minutes=-30), "XST"))
    stamps = [0, 1, -1, 2**31 - 1, 2**31, 2**32, -(2**31) - 1, 1e10, 253402300799, 253402300800, 1e18, 0.1 + 0.2, 1700000000.9999995]
    return {
        "iso": {t: [attempt(date.fromisoformat, t), attempt(datetime.fromisoformat, t)] for t in TEXTS},
        "formats": {f: attempt(moment.strftime, f) for f in FORMATS},
        "old": [attempt(datetime(y, 1, 2).strftime, "%Y-%m-%d %y %a") for y in (1, 99, 999, 1899, 9999)],
        "stamps": [attempt(datetime.fromtimestamp, s, UTC) for s in stamps], "naive": [attempt(datetime.fromtimestamp, s) for s in stamps[:8]],
        "back": [attempt(datetime(y, 1, 1, tzinfo=UTC).timestamp) for y in (1, 1900, 1970, 2038, 2106, 9999)], "local": [attempt(datetime(y, 6, 1).timestamp) for y in (1800, 1969, 2039, 9998)],
        "gmtime": [attempt(lambda s=s: list(time.gmtime(s))) for s in stamps], "mktime": [attempt(time.mktime, (y, 1, 1, 0, 0, 0, 0, 0, 0)) for y in (1901, 1970, 2038, 2100, 3000)],
        "strptime": [attempt(datetime.strptime, t, f) for t, f in [("29 Feb 2024", "%d %b %Y"), ("12:30 PM", "%I:%M %p"), ("2024 60", "%Y %j"), ("+0530", "%z"), ("Mon 1 2024", "%a %W %Y"), ("x", "%Y"), ("2024-13", "%Y-%m"), ("1 1", "%d"), ("30 Feb", "%d %b"), ("2024-02-29T10:00:00.5+01:00", "%Y-%m-%dT%H:%M:%S.%f%z")]],
        "delta": [str(timedelta(days=-1, seconds=1)), repr(timedelta(weeks=1, milliseconds=1.5)), str(timedelta(seconds=1e9) / 7), str(timedelta(minutes=100) // timedelta(minutes=7)), str(timedelta(hours=5) % timedelta(hours=2)), timedelta(microseconds=1).total_seconds(), str(timedelta.max), str(-timedelta.resolution), attempt(timedelta, days=10**10)],
        "replace": [attempt(moment.replace, month=2, day=30), attempt(moment.replace, tzinfo=None), attempt(moment.replace, fold=1, hour=25)],
        "limits": [MINYEAR, MAXYEAR, str(datetime.max), attempt(lambda: date.max + timedelta(1)), attempt(date, 0, 1, 1), attempt(lambda: datetime.min - timedelta(microseconds=1))],
        "compare": [attempt(lambda: moment < datetime(2024, 1, 1)), moment == datetime(2024, 1, 1), attempt(lambda: moment - datetime(2024, 1, 1)), date(2024, 1, 1) < date(2024, 1, 2)],
        "names": [moment.tzname(), str(timezone.utc), repr(timezone(timedelta(hours=1))), str(timezone(timedelta(seconds=3661))), attempt(timezone, timedelta(hours=24))],
        "repr": [repr(moment), repr(clock(1, 2, 3, fold=1)), moment.isoformat(" ", "milliseconds"), clock(23, 59).isoformat("seconds"), moment.ctime(), str(moment.timetuple()), str(moment.utctimetuple())],
        "ordinal": [date(2024, 2, 29).toordinal(), str(date.fromordinal(1)), date(2024, 2, 29).weekday(), list(date.fromisocalendar(2020, 53, 7).isocalendar()), attempt(date.fromisocalendar, 2021, 53, 1)],
    }

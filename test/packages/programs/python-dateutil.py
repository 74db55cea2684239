from datetime import datetime

from dateutil import parser, tz
from dateutil.easter import easter
from dateutil.relativedelta import FR, relativedelta
from dateutil.rrule import MONTHLY, rrule, rrulestr


def main(args, context):
    start = datetime(2026, 1, 31, 12)
    return [str(v) for v in (
        parser.parse("Thu Sep 25 10:36:28 2003 +0200"), parser.parse("3rd of May 2001"), start + relativedelta(months=1), start + relativedelta(weekday=FR(-1)),
        relativedelta(datetime(2026, 3, 1), datetime(2024, 2, 29)), easter(2026), [d.day for d in rrule(MONTHLY, count=3, byweekday=FR(-1), dtstart=start)],
        start.replace(tzinfo=tz.gettz("Europe/Berlin")).astimezone(tz.UTC), rrulestr("DTSTART:20260101T090000\nRRULE:FREQ=DAILY;INTERVAL=10;COUNT=3")[2],
    )]

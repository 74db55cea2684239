"""Writes an iCalendar with folded lines and recurring events, and reads it."""
# args: {"events": [{"uid": "1@x", "summary": "Stand-up, täglich; kurz", "start": "2024-03-29T09:00", "minutes": 15, "zone": "Europe/Berlin", "daily": 4}, {"uid": "2@x", "summary": "Release\nparty 🎉 with a summary that is long enough to be folded over two lines", "start": "2024-11-02T18:30", "minutes": 330, "zone": "America/New_York", "daily": 2}]}
import calendar
import re
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

ESCAPES = {"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"}


def escape(text):
    return re.sub(r"[\\;,\n]", lambda m: ESCAPES[m[0]], text)


def unescape(text):
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] in "nN" else m[1], text)


def fold(line):
    data, parts = line.encode(), []
    while len(data) > 75:
        cut = 75
        while data[cut] & 0xC0 == 0x80:
            cut -= 1
        parts.append(data[:cut])
        data = b" " + data[cut:]
    return b"\r\n".join([*parts, data]).decode()


def occurrences(event):
    zone = ZoneInfo(event["zone"])
    start = datetime.fromisoformat(event["start"]).replace(tzinfo=zone)
    for day in range(event["daily"]):
        begin = start + timedelta(days=day)
        end = (begin.astimezone(timezone.utc) + timedelta(minutes=event["minutes"])).astimezone(zone)
        yield begin, end


def main(args, context):
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0"]
    spans = []
    for event in args["events"]:
        for n, (begin, end) in enumerate(occurrences(event)):
            utc = begin.astimezone(timezone.utc)
            lines += ["BEGIN:VEVENT", f"UID:{n}-{event['uid']}", f"DTSTART:{utc:%Y%m%dT%H%M%SZ}", "SUMMARY:" + escape(event["summary"]), "END:VEVENT"]
            spans.append([begin.isoformat(), begin.tzname(), str(begin.utcoffset()), str(begin.dst()), end.isoformat(), str(end - begin), f"{begin:%A %d %B %Y, week %V/%G day %j}"])
    lines.append("END:VCALENDAR")
    text = "\r\n".join(map(fold, lines)) + "\r\n"
    unfolded = re.sub(r"\r\n[ \t]", "", text).splitlines()
    found = [unescape(line.partition(":")[2]) for line in unfolded if line.startswith("SUMMARY")]
    months = calendar.Calendar(firstweekday=6)
    return {
        "text": text, "found": found, "spans": spans, "longest": max(len(line.encode()) for line in text.split("\r\n")),
        "iso": [list(date(y, 1, 1).isocalendar()) for y in range(2015, 2030)], "leap": [y for y in range(1896, 2030) if calendar.isleap(y)][:6],
        "month": calendar.TextCalendar(0).formatmonth(2024, 2), "html": len(calendar.HTMLCalendar().formatmonth(2024, 2)),
        "weeks": months.monthdayscalendar(2026, 2), "fridays": [str(date(2024, m, w[calendar.FRIDAY])) for m in range(1, 13) for w in [calendar.monthcalendar(2024, m)[0]] if w[calendar.FRIDAY]],
        "fold": [datetime(2024, 11, 3, 1, 30, tzinfo=ZoneInfo("America/New_York"), fold=f).isoformat() for f in (0, 1)],
        "gap": datetime(2024, 3, 31, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(timezone.utc).isoformat(),
    }

"""Meeting times across time zones, transitions of the past and the future, and bad zones."""
# args: {"zones": ["Europe/London", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "America/St_Johns", "Africa/Casablanca", "UTC", "Etc/GMT+5", "US/Pacific", "Asia/Pyongyang"]}
import pickle
import zoneinfo
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def transitions(name, year):
    """Find the moments of a year at which the offset of a zone changes, by the hour."""
    zone, found = ZoneInfo(name), []
    moment = datetime(year, 1, 1, tzinfo=timezone.utc)
    last = moment.astimezone(zone).utcoffset()
    while moment.year == year:
        moment += timedelta(hours=24)
        offset = moment.astimezone(zone).utcoffset()
        if offset != last:
            fine = moment - timedelta(hours=24)
            while fine.astimezone(zone).utcoffset() == last:
                fine += timedelta(minutes=30)
            found.append([fine.isoformat(), str(last), str(offset), fine.astimezone(zone).tzname()])
            last = offset
    return found


def bad(name):
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        return [type(error).__name__, str(error)]


def main(args, context):
    meeting = datetime(2024, 7, 1, 16, tzinfo=ZoneInfo("Europe/Paris"))
    berlin = ZoneInfo("Europe/Berlin")
    return {
        "meeting": {z: meeting.astimezone(ZoneInfo(z)).strftime("%Y-%m-%d %H:%M %Z %z") for z in args["zones"]},
        "past": {z: [datetime(y, 1, 15, 12, tzinfo=ZoneInfo(z)).isoformat() for y in (1880, 1916, 1945, 1970, 1999)] for z in args["zones"][:6]},
        "future": [datetime(y, 7, 1, tzinfo=berlin).isoformat() for y in (2037, 2038, 2100, 9998)],
        "transitions": {z: transitions(z, 2011) for z in ("Pacific/Apia", "Europe/Berlin", "Australia/Lord_Howe")},
        "bad": {n: bad(n) for n in ("Mars/Base", "", "../etc/passwd", "Europe", "europe/berlin", "/abs", "Europe/Berlin\0")},
        "same": [ZoneInfo("UTC") is ZoneInfo("UTC"), ZoneInfo.no_cache("UTC") is ZoneInfo("UTC"), pickle.loads(pickle.dumps(berlin)) is berlin],
        "repr": [repr(berlin), str(berlin), berlin.key, repr(datetime(2024, 1, 1, tzinfo=berlin))],
        "count": [n in zoneinfo.available_timezones() for n in ("Europe/Kyiv", "Europe/Kiev", "America/Ciudad_Juarez", "posixrules", "EST5EDT")],
        "arithmetic": [str(datetime(2024, 3, 31, 12, tzinfo=berlin) - datetime(2024, 3, 30, 12, tzinfo=berlin)), str(datetime(2024, 3, 31, 12, tzinfo=berlin) - datetime(2024, 3, 30, 12, tzinfo=ZoneInfo("Europe/Rome")))],
    }

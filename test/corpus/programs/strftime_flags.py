"""Formats times with the flags, widths and modifiers of glibc, and with what is no directive."""
import datetime
import sys
import time

TIMES = [
    (2024, 3, 5, 7, 8, 9, 1, 65, 0),
    (2024, 12, 31, 23, 59, 60, 1, 366, 0),
    (2021, 1, 3, 0, 0, 0, 6, 3, 0),
    (999, 10, 10, 12, 30, 45, 3, 283, 0),
    (1, 1, 1, 13, 0, 0, 0, 1, 0),
    (12345, 6, 7, 1, 2, 3, 4, 158, 0),
    (-5, 6, 7, 1, 2, 3, 4, 158, 0),
]
LETTERS = "aAbBcCdDeFgGhHIjklmMnpPrRStTuUVwWxXyYzZ%EOQiJ+:"
PREFIXES = ["", "-", "_", "0", "^", "#", "5", "-5", "_5", "05", "^12", "#012", "_-3", "E", "O", "^O", "6E"]


def main(args, context):
    table = {}
    for prefix in PREFIXES:
        for letter in LETTERS:
            directive = "%" + prefix + letter
            table[directive] = [time.strftime(directive, moment) for moment in TIMES[: 7 if prefix == "" else 2]]
    stamp = datetime.datetime(2024, 2, 3, 4, 5, 6, 7, datetime.timezone(datetime.timedelta(hours=-3, minutes=-30)))
    return {
        "table": table,
        "ends": [time.strftime(text, TIMES[0]) for text in ("%", "x%", "%5", "%^", "%-%", "%%%", "", "%E", "é%d%é", "%10")],
        "long": [len(time.strftime("%200d", TIMES[0])), time.strftime("%Y" * 40, TIMES[0])],
        "datetime": [stamp.strftime(f) for f in ("%^a %-d %5d %z %:z %f %", "%Y-%m-%dT%H:%M:%S%z", "%s"[:0], "%G-W%V-%u", "%+%Q", "%#Z|%^Z|%10Z")],
        "date": [datetime.date(5, 1, 2).strftime(f) for f in ("%Y", "%4Y", "%G", "%C", "%y", "%F", "%D", "%x", "%c")],
        "format": [f"{stamp:%^b%e, %k:%M}", format(datetime.time(1, 2), "%-H|%_M|%P")],
        "hash": [sys.hash_info.algorithm, sys.hash_info.seed_bits, sys.hash_info.hash_bits],
    }

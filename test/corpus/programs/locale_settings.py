"""Sets locales, formats by them, and sorts by collation."""
import locale
import re
import time


def attempt(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    conventions = locale.localeconv()
    return {
        "set": {n: attempt(locale.setlocale, locale.LC_ALL, n) for n in ("C", "POSIX", "xx_YY", "de_DE.UTF-8", "en_US", "C.UTF-8", "nonsense", "")}, "numeric": attempt(locale.setlocale, locale.LC_NUMERIC, "fr_FR.utf8"), "conventions": {k: conventions[k] for k in ("decimal_point", "thousands_sep", "grouping", "currency_symbol", "int_frac_digits")}, "format": [locale.format_string("%.2f", 1234567.891, grouping=True), locale.str(1.5), locale.atof("1.5"), locale.atoi("7"), attempt(locale.currency, 5), locale.delocalize("1.5"), f"{1234567:n}"],
        "collate": [sorted(["b", "ä", "a", "B", "z"], key=locale.strxfrm), locale.strcoll("a", "b") < 0, locale.strcoll("ä", "z") > 0], "names": [locale.normalize("de"), locale.normalize("en_US.utf8"), locale.getlocale(), locale.getpreferredencoding(False), locale.getencoding(), locale.nl_langinfo(locale.DAY_1), locale.nl_langinfo(locale.MON_12), locale.nl_langinfo(locale.RADIXCHAR), locale.nl_langinfo(locale.D_FMT), attempt(locale.getlocale, locale.LC_ALL)],
        "time": [time.strftime("%A %B %x %c %p", (2024, 2, 29, 13, 0, 0, 3, 60, 0)), list(time.strptime("29 February 2024", "%d %B %Y"))[:3]], "words": re.findall(r"\w+", "héllo"), "upper": "ıß".upper(),
    }

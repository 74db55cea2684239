import io
from datetime import date, datetime, timedelta
from decimal import Decimal

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_timedelta, get_timezone
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from babel.numbers import format_compact_decimal, format_currency, format_percent, parse_decimal
from babel.support import Translations

SOURCE = b'''def greet(n):
    _("Hello")
    ngettext("%d file", "%d files", n)
'''


def catalog():
    catalog = Catalog(locale="de", project="p", version="1", creation_date=datetime(2024, 1, 1), revision_date=datetime(2024, 1, 1))
    for line, message, comments, _ in extract("python", io.BytesIO(SOURCE)):
        catalog.add(message, "Hallo" if message == "Hello" else ("%d Datei", "%d Dateien"), [("a.py", line)])
    po, mo = io.BytesIO(), io.BytesIO()
    write_po(po, catalog, omit_header=True)
    write_mo(mo, read_po(io.BytesIO(po.getvalue()), locale="de"))
    translations = Translations(io.BytesIO(mo.getvalue()))
    return [po.getvalue().decode(), translations.gettext("Hello"), translations.ngettext("%d file", "%d files", 2)]


def main(args, context):
    day, moment = date(2024, 3, 1), datetime(2024, 3, 1, 15, 4, 5)
    try:
        Locale.parse("xx_YY")
        unknown = ""
    except UnknownLocaleError as error:
        unknown = str(error)
    return [
        format_currency(Decimal("1234567.891"), "EUR", locale="de_DE"), format_currency(-5, "JPY", locale="ja_JP", format_type="accounting"),
        format_percent(0.256, locale="ar_EG", numbering_system="default"), str(parse_decimal("1.234,5", locale="de")),
        format_compact_decimal(12345678, locale="en_US", fraction_digits=1), format_date(day, "full", locale="ru"),
        format_datetime(moment, "long", tzinfo=get_timezone("Asia/Tokyo"), locale="en"), format_timedelta(timedelta(days=45), locale="pl"),
        Locale("he").text_direction, Locale("pl").plural_form(22), Locale("sv").territories["DE"], Locale.negotiate(["de_AT", "en"], ["en_US", "de"]).display_name,
        catalog(), unknown,
    ]

"""Reads messy CSV of many dialects and writes a report."""
# args: {"files": {"german": "Name;Betrag;Datum\r\n\"Müller; Sohn\";1.234,50;05.03.2024\r\nZoë;-3,1;1.1.1999\r\n", "tabs": "a\tb\n1\t\"x\ny\"\n\n2\t'q'\n", "pipes": "id|note\n1|he said \"hi\"\n2|back\\|slash\n"}}
import csv
import io
import statistics
from collections import Counter, defaultdict
from decimal import Decimal
from operator import itemgetter


class Pipes(csv.Dialect):
    delimiter, quotechar, escapechar, lineterminator = "|", '"', "\\", "\n"
    doublequote, quoting, strict = False, csv.QUOTE_MINIMAL, True


def attempt(function):
    try:
        return function()
    except Exception as error:
        return [type(error).__name__, str(error)]


def main(args, context):
    files, out = args["files"], {}
    csv.register_dialect("pipes", Pipes)
    out["sniffed"] = {}
    for name, text in files.items():
        dialect = attempt(lambda: csv.Sniffer().sniff(text, ";\t|"))
        out["sniffed"][name] = [dialect.delimiter, dialect.quotechar, dialect.skipinitialspace] if isinstance(dialect, type) else dialect
    out["header"] = [csv.Sniffer().has_header(files["german"]), attempt(lambda: csv.Sniffer().sniff("x").delimiter)]
    rows = list(csv.DictReader(io.StringIO(files["german"]), delimiter=";"))
    amounts = [Decimal(r["Betrag"].replace(".", "").replace(",", ".")) for r in rows]
    out["rows"] = [rows, str(sum(amounts))]
    out["tabs"] = list(csv.reader(io.StringIO(files["tabs"]), "excel-tab"))
    out["pipes"] = list(csv.reader(io.StringIO(files["pipes"]), "pipes"))
    out["dialects"] = csv.list_dialects()
    out["written"] = []
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_STRINGS, csv.QUOTE_NOTNULL):
        buffer = io.StringIO()
        writer = csv.writer(buffer, quoting=quoting)
        writer.writerows([["a,b", 1, 2.5, None, 'q"q', "l\nf", ""], [""], [True, float("inf"), 1e22, 10**20]])
        out["written"].append(buffer.getvalue())
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, ["x", "y"], restval="-", extrasaction="ignore")
    writer.writeheader()
    writer.writerows([{"x": 1, "z": 3}, {"y": "ü"}])
    out["dict"] = buffer.getvalue()
    out["errors"] = [
        attempt(lambda: list(csv.reader(["a\0b"]))), attempt(lambda: list(csv.reader(['"unclosed'], strict=True))), attempt(lambda: csv.writer(io.StringIO(), quoting=csv.QUOTE_NONE).writerow(["a,b"])),
        attempt(lambda: csv.DictWriter(io.StringIO(), ["x"]).writerow({"y": 1})), attempt(lambda: csv.reader([], delimiter="ab")), attempt(lambda: list(csv.reader(["x" * 200000]))), attempt(lambda: csv.get_dialect("none")),
    ]
    out["numbers"] = list(csv.reader(['1,"2",3.5'], quoting=csv.QUOTE_NONNUMERIC)) + [csv.field_size_limit()]
    groups = defaultdict(list)
    for key, value in [("b", 3), ("a", 1), ("b", 4)]:
        groups[key].append(value)
    out["groups"] = sorted(((k, statistics.fmean(v), Counter(v).most_common(1)) for k, v in groups.items()), key=itemgetter(0))
    out["extra"] = [list(csv.DictReader(["a,b", "1,2,3", "4"], restkey="rest", restval="none")), csv.reader(["a", "b\n"]).line_num]
    return out

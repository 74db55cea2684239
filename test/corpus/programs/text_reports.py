"""A text report with wrapping, columns, templates and a difference between versions."""
import difflib
import pprint
import reprlib
import string
import textwrap
from string import Template

TEXT = """Lorem ipsum dolor sit amet, consectetur adipiscing elit-with-hyphens, sed do eiusmod\ttempor.

    Indented second paragraph — with dashes, a verylongwordthatdoesnotfitontheline and 漢字漢字漢字."""


class Braces(Template):
    delimiter = "%"
    idpattern = r"[a-z]+(?:\.[a-z]+)*"


def attempt(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def table(rows, widths, aligns):
    return "\n".join(" | ".join(f"{cell:{a}{w}}" for cell, w, a in zip(row, widths, aligns)) for row in rows)


def main(args, context):
    old, new = "one\ntwo\nthree\nfour\n".splitlines(True), "zero\none\ntwo!\nthree\nfour".splitlines(True)
    matcher = difflib.SequenceMatcher(lambda c: c == " ", "private volatile", "private static volatile")
    nested = {"users": [{"name": "ada" * 10, "roles": {"admin"}, "age": 36}] * 2, (1, 2): None, "long": "word " * 30, "bytes": b"\x00" * 50, "tuple": (1,)}
    loop = [1]
    loop.append(loop)
    return {
        "wrap": [textwrap.wrap(TEXT, w) for w in (20, 40)], "fill": textwrap.fill(TEXT, 40, initial_indent="* ", subsequent_indent="  ", break_long_words=False, max_lines=3, placeholder=" [...]"), "indent": [textwrap.indent("a\n\nb", "> "), textwrap.dedent("  x\n    y\n  z"), textwrap.dedent("\tx\n  y"), textwrap.shorten("Hello  big   world", 12)], "errors": [attempt(textwrap.wrap, "x", 0), attempt(textwrap.fill, "hello world", 3, max_lines=1)],
        "table": table([("name", "price", "n"), ("größe", 1234.5, 7), ("x" * 12, -0.005, None.__class__.__name__)], (10, 10, 8), "<>^"), "format": ["{:>10}|{:^10}|{:*<6}".format("äö", "x", 1), "{0!a:>8}".format("ü"), "%-8s|%08.3f|%+d" % ("a", 3.14159, 5)],
        "template": [Template("$who owes ${amount} $$5").substitute(who="Ada", amount=3), attempt(Template("$a ${").substitute, a=1), attempt(Template("$missing").substitute), Template("$a $b").safe_substitute(a=1), Braces("%user.name!").substitute({"user.name": "x"}), Template("$a ${b}").get_identifiers(), Template("$").is_valid()],
        "unified": list(difflib.unified_diff(old, new, "a.txt", "b.txt", "2024", "2025", n=1)), "context": list(difflib.context_diff(old, new)), "ndiff": list(difflib.ndiff(old, new)), "restore": list(difflib.restore(difflib.ndiff(old, new), 1)), "ratio": [matcher.ratio(), matcher.quick_ratio(), matcher.get_opcodes(), [list(b) for b in matcher.get_matching_blocks()]], "close": difflib.get_close_matches("appel", ["ape", "apple", "peach", "puppy"], 2), "htmldiff": len(difflib.HtmlDiff().make_table(old, new)),
        "pprint": pprint.pformat(nested, width=60), "compact": pprint.pformat(list(range(40)), compact=True), "depth": pprint.pformat([[[[1]]]], depth=2), "saferepr": [pprint.saferepr([1, "a"]), pprint.isrecursive(loop), pprint.pformat(10**9, underscore_numbers=True), repr(loop)], "reprlib": [reprlib.repr("x" * 50), reprlib.repr(list(range(20))), reprlib.repr({i: i for i in range(9)}), reprlib.repr(10**60)],
        "strings": [string.capwords("hello  wORLD"), "Title's case".title(), "a\tb".expandtabs(4), "x".join("abc"), "ab".zfill(5), "-5".zfill(4), "a-b-c".rpartition("-"), "abcabc".replace("b", "X", 1), "prefix_x".removeprefix("prefix_"), "äöü".translate(str.maketrans("äö", "ao", "ü")), "%s" % ((1, 2),), "abc".maketrans({"a": None})[97], "hello".count("l", 3), "a,b,,c".split(",", -1), " a  b ".split(), " a  b ".split(" ")],
    }

"""Parses logs, tokens and templates by regular expressions of all features."""
import re
import time
from collections import Counter

LOG = r"""127.0.0.1 - ada [05/Mar/2024:10:11:12 +0100] "GET /a?b=c HTTP/1.1" 200 512 "-" "curl/8"
::1 - - [05/Mar/2024:10:11:13 +0100] "POST /x\"y HTTP/2" 503 - "http://r/" "Mozilla (X11; ü)"
garbage line
10.0.0.9 - bob [05/Mar/2024:10:11:14 +0100] "DELETE /z HTTP/1.0" 404 0 "-" "-"
"""
LINE = re.compile(r"""(?P<ip>\S+)\ \S+\ (?P<user>\S+)\ \[(?P<when>[^]]+)\]\ # head
    "(?P<verb>[A-Z]+)\ (?P<path>(?:[^"\\]|\\.)*?)(?:\ HTTP/(?P<version>[\d.]+))?"\ (?P<status>\d{3})\ (?P<size>\d+|-)
    (?:\ "(?P<referer>[^"]*)"\ "(?P<agent>[^"]*)")?$""", re.X | re.M)
TOKENS = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d*)?)|(?P<name>[^\W\d]\w*)|(?P<op><=|>=|[-+*/()=<>])|(?P<bad>\S))")


def attempt(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return [type(error).__name__, str(error), getattr(error, "pos", None)]


def tokens(text):
    return [(m.lastgroup, m[m.lastgroup]) for m in TOKENS.finditer(text)]


def main(args, context):
    hits = [m.groupdict() for m in LINE.finditer(LOG)]
    m = re.search(r"(?P<y>\d{4})-(\d\d)(x)?", "on 2024-03.")
    return {
        "hits": hits, "status": Counter(h["status"][0] for h in hits).most_common(), "tokens": tokens("größe <= 3.14*(x_1 - 7) $"), "match": [m.span(), m.groups("-"), m.lastindex, m.lastgroup, m.expand(r"\2/\g<y>"), m.start(3), m.regs, m.string[m.end():], repr(m)],
        "split": [re.split(r"([,;])\s*", "a, b;c"), re.split(r"\b", "ab cd"), re.split(r"x*", "axbc"), re.split(r",", "a,b,c", maxsplit=1)],
        "sub": [re.sub(r"(?<=\d)(?=(\d{3})+$)", ",", "1234567"), re.sub(r"(\w+)@(\w+)", lambda m: m[2].upper() + m[1], "a@b c@d"), re.subn(r"x*", "-", "abxd"), re.sub(r"(a)|b", r"[\1]", "ab"), re.sub("^", "> ", "a\nb", flags=re.M), re.sub(r"(?i:STRASSE|ß)", "x", "straße Strasse")],
        "unicode": [re.findall(r"\w+", "naïve café_1 漢字"), re.findall(r"(?a)\w+", "naïve"), re.findall(r"\d", "1٣३"), re.search("(?i)ſ", "S") is not None, re.findall(r"(?i)[k]", "kK\u212a"), re.findall(r"\s", "\u00a0\u2003x\u200b"), re.match(r"\N{GREEK SMALL LETTER ALPHA}", "α") is not None],
        "groups": [re.findall(r"(a)(?:b)(?P<c>c)?", "abcab"), re.match(r"(?:(a)|b)(?(1)c|d)", "bd") is not None, re.match(r"(?>a+)ab", "aaab"), re.match(r"a++b", "aaab") is not None, re.findall(r"(?s).+?(?=b)", "a\nb"), re.match(r"(.)\1", "aa").group(), re.fullmatch("a|ab", "ab").span(), re.findall(r"(?<!\w)x", "x ax"), re.match(r"(?x) a b # c", "ab") is not None],
        "bytes": [str(re.findall(rb"[\x80-\xff]+", b"a\xc3\xbcb")), attempt(re.match, b"a", "a"), re.compile(rb"a", re.L).flags], "escape": [re.escape("a.b*c-d é\n"), re.escape("http://x?y=[1]")],
        "errors": [attempt(re.compile, p) for p in ("(", "a**", "[z-a]", "(?P<1>x)", "(?<=a+)b", "\\", "(?P<a>x)(?P<a>y)", "x{3,1}", r"\1", "(?z)", "a(?i)b", "[", r"\8", "(?P=none)", r"\g", "*", "(?(9)a)")],
        "flags": [repr(re.compile("x", re.I | re.M)), str(re.I | re.X), re.compile("(?im)x").flags, repr(re.compile("a/'\"b")), re.compile("a(b)(?P<n>c)").groupindex["n"], re.compile("(a)(b)").groups], "scanner": re.Scanner([(r"\d+", lambda s, t: int(t)), (r"\w+", lambda s, t: t), (r"\s+", None)]).scan("ab 12 !x"),
        "template": [attempt(re.sub, "a", p, "a") for p in (r"\2", r"\g<x>", r"\q", r"\n", r"\g<0>\\", "\\")], "deep": re.match(r"(?:a|b)*c", "ab" * 20000 + "c").end(), "nested": re.match("(" * 90 + "a" + ")" * 90, "a").lastindex, "when": time.strftime("%Y", time.strptime(hits[0]["when"][:20], "%d/%b/%Y:%H:%M:%S")),
    }

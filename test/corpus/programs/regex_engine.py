"""Every operation of the regular expression engine, also where it backtracks, over texts of each width of characters."""

import hashlib
import re
import sys

# What each kind of backtracking resumes after: branches, repeats of one item and of groups, greedy, lazy and possessive,
# atomic groups, assertions, references and conditions.
PATTERNS = r"""
(\w+)@(\w+)\.com
(\d{4})-(\d\d)-(\d\d)
\s+|\S+?\b
(?:a|ab|abc)+c
(?:(a)|b)*c
(?:(a)|(b))*?c
(a*)*b
(a*?)+?b
(?:a?){3}a{3}
(?:ab){2,3}(?:ab)?c
(?:ab){2,3}?c
(?:a|ab){1,4}?b\b
(?:.{2}){2,}?\d
a*+b
(?:ab)*+c
(?:ab){1,2}+ab
(?:\w\d)++x
(?>a+)ab
(?>a|ab)c
(?=(\w+))\1\b
(?!\d)\w+
(?<=@)\w+
(?<!\d)\d{2}(?!\d)
(?<=(a))b
(\w)(\w)?\2\1
(a)?(?(1)b|c)
(?i:ABC|straße|ǆ)
(?i)(\w)\1
[^\W\d_]+
[\d\s.-]+
[a-f\u0100-\u02ff]+
[^a-z]{2,}
.*?c
.+c
(?s:.+c)
(?m)^\w+$
x*
x*?$
(?:x|(?:y|(?:z|w)*)+)+v
(?:(?:ab?)*c?)*d
((?:a|b)(?:c|d)?)*?e
\Aab|ab\Z
\bab\B
(?a:\w+\b)
(?P<k>\w)=(?P=k)
(?:(\w)(?:,|$))+
(?=a)(?:a|b)*?(?=c)
(a|b)*?(?:(?<=b)c|(?!c)d)
(?:\d{1,3}\.){3}\d{1,3}
é|ü|漢
[é-ü漢]+x?
""".strip("\n").split("\n")

TEXTS = [
    "",
    "foo user@example.com 2024-01-31 bar abc abababc aab aaaaaab ababab",
    "aabbccdd abba noon a=a b=c x,y,z, 192.168.10.1 ab1cd2x a1b2x abce acbde\nline two\n\nxyzwv yzzv abcd ace",
    "Éa übung STRASSE straße ½ ² ٣ a_b éüx ª º 1é2 aÉé aa\u00a0bb\x1cc",
    "Ǆ ǆ āăąb 漢字x漢 кирилица٣٤ abc aab",
    "\U0001d7d8\U0001d7d9 abc aab \U0001f600 user@example.com ab",
]


def groups(match):
    return None if match is None else [match.span(), match.groups(), match.lastindex]


def main(args, context):
    result = {}
    for pattern in PATTERNS:
        compiled = re.compile(pattern)
        seen = []
        for text in TEXTS:
            seen.append([groups(match) for match in compiled.finditer(text)])
            seen.append([groups(compiled.match(text)), groups(compiled.fullmatch(text)), groups(compiled.search(text, 3, 40))])
            seen.append([compiled.sub("<>", text, count=5), compiled.split(text, 3)])
        digest = hashlib.sha256(repr(seen).encode()).hexdigest()
        result[pattern] = [digest[:16], sum(len(part) for part in seen[::3])]

    # Each character by each category, alone, repeated, and negated.
    alphabet = "".join(map(chr, range(0xD800))) + "".join(map(chr, range(0xE000, sys.maxunicode + 1, 7)))
    for name, part in {"latin-1": alphabet[:256], "two bytes": alphabet[:0xD800], "four bytes": alphabet}.items():
        for category in r"\w \d \s \W \D \S [\w] [^\w] [\d\s] . (?a:\w) (?a:\d) (?a:\s) (?a:\W) (?i:\w)".split():
            runs = [match.span() for match in re.finditer(category + "+", part)]
            one = "".join(re.findall(category, part))
            lazy = [match.start() for match in re.finditer(category + "{2,3}?", part)]
            text = repr((runs, lazy, one)).encode("utf-8", "surrogatepass")
            result[f"{name} {category}"] = [len(runs), len(one), hashlib.sha256(text).hexdigest()[:16]]
    words = [ch for ch in alphabet if re.fullmatch(r"\w", ch) and not (ch.isalnum() or ch == "_")]
    digits = [ch for ch in alphabet if (re.fullmatch(r"\d+", ch) is not None) != ch.isdecimal()]
    spaces = [ch for ch in alphabet if (re.fullmatch(r"\s+", ch) is not None) != ch.isspace()]
    result["differ from methods of str"] = [words, digits, spaces]

    # Deep nesting of contexts, which moves the engine's own stack while it grows.
    result["deep"] = [
        len(re.fullmatch(r"(?:(?:a|b)(?:c|d)?)*", "acbd" * 20_000)[0]),
        len(re.match(r"(?:a(?=(b)))?(?:x|(ab)|.)*?$", "ab" * 20_000)[0]),
        re.match(r"(?:a*?b|a*c)*d", "aaab" * 5_000 + "aac" * 5_000 + "d").end(),
    ]
    scanner = re.compile(r"(\w)(?:(\d)|(?=\w))").scanner("a1b2cd3")
    result["scanner"] = [groups(match) for match in iter(scanner.search, None)]
    return result

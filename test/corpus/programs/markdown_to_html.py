"""Converts a subset of Markdown to HTML."""
# args: {"text": "# Title & more\n\nA *very* **bold** `code <b>` [link](http://x?a=1&b=\"2\").\nSecond line\\*\n\n- one\n- two\n  - nested\n\n1. first\n2. second\n\n> quote\n> more\n\n```py\nif a < b: pass\n```\n\n---\n| a | b |\n|---|--:|\n| 1 | ü |\n"}
import html
import re
from itertools import groupby

INLINE = [(r"`([^`]+)`", r"<code>\1</code>"), (r"\*\*(.+?)\*\*", r"<strong>\1</strong>"), (r"(?<!\\)\*(.+?)(?<!\\)\*", r"<em>\1</em>"), (r"\[([^]]+)\]\(([^)\s]+)\)", r'<a href="\2">\1</a>'), (r"\\([*_`])", r"\1")]


def inline(text):
    text = html.escape(text)
    for pattern, replacement in INLINE:
        text = re.sub(pattern, replacement, text)
    return text


def kind(line):
    for name, pattern in {"h": r"#{1,6} ", "ul": r"\s*- ", "ol": r"\d+\. ", "quote": r">", "hr": r"-{3,}$", "table": r"\|", "blank": r"\s*$"}.items():
        if re.match(pattern, line):
            return name
    return "p"


def table(lines):
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    right = [c.endswith(":") for c in rows[1]]
    cell = lambda tag, c, r: f"<{tag}{' align=right' if r else ''}>{inline(c)}</{tag}>"
    return "<table>" + "".join("<tr>" + "".join(cell("th" if i == 0 else "td", c, r) for c, r in zip(row, right)) + "</tr>" for i, row in enumerate(rows) if i != 1) + "</table>"


def convert(text):
    fences = []
    text = re.sub(r"```(\w*)\n(.*?)```", lambda m: fences.append((m[1], m[2])) or f"\x00{len(fences) - 1}", text, flags=re.S)
    for name, group in groupby(text.splitlines(), kind):
        lines = list(group)
        match name:
            case "h":
                yield from (f"<h{len(m[1])}>{inline(m[2])}</h{len(m[1])}>" for line in lines if (m := re.match(r"(#+) (.*)", line)))
            case "ul" | "ol":
                depth = 0
                for line in lines:
                    indent = (len(line) - len(line.lstrip())) // 2 + 1
                    yield f"<{name}>" * (indent - depth) + f"</{name}>" * (depth - indent) + "<li>" + inline(re.sub(r"^\s*(-|\d+\.) ", "", line))
                    depth = indent
                yield f"</{name}>" * depth
            case "quote":
                yield "<blockquote>" + inline(" ".join(line.lstrip("> ") for line in lines)) + "</blockquote>"
            case "hr":
                yield "<hr>"
            case "table":
                yield table(lines)
            case "p":
                body = inline("\n".join(lines))
                yield re.sub("\x00(\\d)", lambda m: f'<pre class="{fences[int(m[1])][0]}">{html.escape(fences[int(m[1])][1])}</pre>', body) if "\x00" in body else f"<p>{body}</p>"


def main(args, context):
    return list(convert(args["text"]))

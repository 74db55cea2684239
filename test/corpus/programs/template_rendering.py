"""A small template engine with loops, filters, escapes and errors with positions."""
# args: {"name": "Zoë <admin>", "items": [{"title": "A & B", "price": 1234.5}, {"title": "\"Q\"", "price": 0.075}], "empty": []}
import html
import re
import textwrap

TEMPLATE = """\
<h1>{{ name | escape | upper }}</h1>
{% for item in items %}
  {{ loop.index }}. {{ item.title | escape }}: {{ item.price | money }}{% if loop.last %}.{% else %};{% endif %}
{% endfor %}
{% for x in empty %}never{% else %}nothing{% endfor %}
{{ items | length }} {{ missing | default("n/a") }} {{ "lit|eral" }}"""
FILTERS = {"escape": html.escape, "upper": str.upper, "length": len, "money": lambda v: f"{v:,.2f} €", "default": lambda v, d: d if v is None else v}


class TemplateError(Exception):
    def __init__(self, message, line):
        super().__init__(f"line {line}: {message}")


def tokens(text):
    line = 1
    for part in re.split(r"({{.*?}}|{%.*?%})", text):
        yield part, line
        line += part.count("\n")


def lookup(path, scope, line):
    if path.startswith('"'):
        return path.strip('"')
    value = scope
    for name in path.split("."):
        try:
            value = value[name] if isinstance(value, dict) else getattr(value, name)
        except (KeyError, AttributeError):
            return None
    return value


def evaluate(text, scope, line):
    parts = re.findall(r'"[^"]*"|[^|]+', text)
    parts = [p.strip() for p in re.split(r'\|(?=(?:[^"]*"[^"]*")*[^"]*$)', text)]
    value = lookup(parts[0], scope, line)
    for part in parts[1:]:
        m = re.fullmatch(r'(\w+)(?:\("(.*)"\))?', part)
        if not m or m[1] not in FILTERS:
            raise TemplateError(f"no filter {part!r}", line)
        value = FILTERS[m[1]](value, *([m[2]] if m[2] is not None else []))
    return value


def render(stream, scope, until=()):
    out = []
    for part, line in stream:
        if part.startswith("{{"):
            out.append(str(evaluate(part[2:-2].strip(), scope, line)))
        elif part.startswith("{%"):
            words = part[2:-2].split()
            if words[0] in until:
                return "".join(out), words[0]
            if words[0] == "for":
                body = collect(stream, ("for", "endfor"), line)
                items = evaluate(words[3], scope, line) or []
                main_body, other = split_else(body, "for", "endfor")
                for i, item in enumerate(items):
                    out.append(render(iter(main_body), {**scope, words[1]: item, "loop": {"index": i + 1, "last": i == len(items) - 1}})[0])
                if not items:
                    out.append(render(iter(other), scope)[0])
            elif words[0] == "if":
                yes, no = split_else(collect(stream, ("if", "endif"), line), "if", "endif")
                out.append(render(iter(yes if evaluate(words[1], scope, line) else no), scope)[0])
            else:
                raise TemplateError(f"unknown tag {words[0]}", line)
        else:
            out.append(part)
    return "".join(out), None


def collect(stream, pair, line):
    depth, body = 1, []
    for part, at in stream:
        word = part[2:-2].split()[0] if part.startswith("{%") else ""
        depth += (word == pair[0]) - (word == pair[1])
        if not depth:
            return body
        body.append((part, at))
    raise TemplateError(f"{pair[0]} is not closed", line)


def split_else(body, start, end):
    depth = 0
    for i, (part, _) in enumerate(body):
        word = part[2:-2].split()[0] if part.startswith("{%") else ""
        depth += word in ("for", "if")
        depth -= word in ("endfor", "endif")
        if word == "else" and depth == 0:
            return body[:i], body[i + 1 :]
    return body, []


def main(args, context):
    out = {"page": render(tokens(TEMPLATE), args)[0]}
    for bad in ("{% for x in y %}", "a\nb{{ x | nope }}", "{% what %}"):
        try:
            out[bad] = render(tokens(bad), args)[0]
        except TemplateError as error:
            out[bad] = str(error)
    out["dedented"] = textwrap.dedent(out["page"]).splitlines()
    return out

"""Code that is compiled at run time has a syntax error."""


def main(args, context):
    rules = {"ok": "x > 1", "broken": "x >\n  > 2"}
    return {name: bool(eval(compile(text, "<rule>", "eval"), {"x": 3})) for name, text in rules.items()}

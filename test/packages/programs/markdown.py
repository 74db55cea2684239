import markdown


def main(args, context):
    text = "# Title\n\nSome *text* and `code` & <b>.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nx = 1\n```\n\n1. one\n2. two\n\n[link](http://x \"t\") note[^1]\n\n[^1]: foot\n"
    m = markdown.Markdown(extensions=["tables", "fenced_code", "footnotes", "toc"])
    return [m.convert(text), m.toc]

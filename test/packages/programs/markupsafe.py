from markupsafe import Markup, escape, escape_silent, soft_str


class Link:
    def __init__(self, url):
        self.url = url

    def __html__(self):
        return Markup('<a href="%s">link</a>') % self.url


def main(args, context):
    text = Markup("<em>%s</em> and {b}")
    return [
        escape("<a href='x'>&\"</a>"), str(text % "<x>"), text.format(b="<y>"), escape(Link("?a=1&b=<")), Markup("<b>Bold</b>&nbsp;&amp; more").striptags(),
        Markup("&lt;&eacute;&#39;").unescape(), escape_silent(None), Markup(", ").join(["<", Markup("<br>")]), Markup("<a>") + "<b>", "<c>" + Markup("<d>"),
        type(Markup("a").upper()).__name__, soft_str(Markup("x")) is not None, Markup("<{0!r}>").format("'"), Markup("%(a)s") % {"a": "&"}, len(escape("é<" * 1000)),
    ]

from pygments import highlight, lex
from pygments.filters import KeywordCaseFilter
from pygments.formatters import HtmlFormatter, LatexFormatter, NullFormatter, SvgFormatter, TerminalFormatter
from pygments.lexer import RegexLexer, bygroups
from pygments.lexers import get_all_lexers, get_lexer_by_name, get_lexer_for_filename, guess_lexer
from pygments.token import Name, Number, Text
from pygments.util import ClassNotFound

PYTHON = 'class A:\n    """Doc."""\n    def f(self, x: int = 1_000) -> str:\n        return f"{x!r:>{10}} é" # note\n'


class Pairs(RegexLexer):
    tokens = {"root": [(r"(\w+)(=)(\d+)", bygroups(Name, Text, Number)), (r"\s+", Text)]}


def main(args, context):
    sql = get_lexer_by_name("sql")
    sql.add_filter(KeywordCaseFilter(case="upper"))
    try:
        get_lexer_by_name("no such language")
    except ClassNotFound as error:
        missing = str(error)
    return [
        highlight(PYTHON, get_lexer_by_name("python"), HtmlFormatter(linenos="inline", hl_lines=[2])), highlight("select 1 from t", sql, NullFormatter()),
        highlight('{"a": [1, null]}', get_lexer_by_name("json"), TerminalFormatter()), highlight("a & b", get_lexer_for_filename("x.c"), LatexFormatter()),
        len(highlight("<p class='x'>&amp;</p><script>var a = 1;</script>", get_lexer_by_name("html"), SvgFormatter())), HtmlFormatter(style="monokai").get_style_defs(".h")[:60],
        [[str(kind), text] for kind, text in lex("a=1 b=22", Pairs())], guess_lexer("#!/bin/bash\necho").name, missing, len(list(get_all_lexers())) > 500,
    ]

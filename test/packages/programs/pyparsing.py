import pyparsing as pp
from pyparsing import pyparsing_common as common

pp.ParserElement.enable_packrat()
integer = common.number
variable = pp.Word(pp.alphas)
OPERATORS = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b, "^": pow}


def fold(tokens):
    items = tokens[0]
    value = items[0]
    for operator, other in zip(items[1::2], items[2::2]):
        value = OPERATORS[operator](value, other)
    return value


arithmetic = pp.infix_notation(
    integer, [("^", 2, pp.OpAssoc.RIGHT, fold), ("-", 1, pp.OpAssoc.RIGHT, lambda t: -t[0][1]), (pp.one_of("* /"), 2, pp.OpAssoc.LEFT, fold), (pp.one_of("+ -"), 2, pp.OpAssoc.LEFT, fold)]
)
value = pp.Forward()
pair = pp.Group(pp.QuotedString('"') + pp.Suppress(":") + value)
value <<= pp.QuotedString('"') | integer | pp.Group(pp.Suppress("[") + pp.Optional(pp.DelimitedList(value)) + pp.Suppress("]"), aslist=True) | pp.Dict(pp.Suppress("{") + pp.ZeroOrMore(pair + pp.Optional(pp.Suppress(","))) + pp.Suppress("}"), asdict=True)


def main(args, context):
    line = common.ipv4_address("ip") + pp.Suppress("-") + pp.Combine(pp.Literal("[") + ... + "]")("date") + pp.dbl_quoted_string.copy().set_parse_action(pp.remove_quotes)("request") + common.integer("status")
    log = line.parse_string('10.0.0.1 - [1/Jan/2024] "GET /" 200')
    errors = []
    for grammar, text in ((arithmetic, "1 + "), (arithmetic, "(1 + 2"), (common.ipv4_address, "1.2.3")):
        try:
            grammar.parse_string(text, parse_all=True)
        except pp.ParseException as error:
            errors.append([str(error), error.column])
    return [
        [arithmetic.parse_string(text, parse_all=True)[0] for text in ("1 + 2 * 3", "-(2 + 3) ^ 2", "2 ^ 3 ^ 2", "10 / 4 - 1")], value.parse_string('{"a": [1, "x", []], "b": {"c": 2.5}}')[0],
        log.as_dict(), errors, [t[0] for t in variable.search_string("1a 2bc")], pp.Word(pp.nums).set_parse_action(lambda t: int(t[0]) * 2).transform_string("a1 b20"),
        pp.nested_expr().parse_string("(a (b c) d)").as_list(), [m[1:] for m in integer.scan_string("x 5 y 6")], common.iso8601_datetime().matches("2024-01-01T00:00:00"), str(pp.Regex(r"(?P<k>\w)=").parse_string("a=")["k"]),
    ]

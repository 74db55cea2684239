"""A recursive descent parser and an interpreter of a small language with functions and errors."""
# args: {"programs": ["let x = 3; let f = fn(a, b) a * b + x; f(2, 5) - 1", "if 1 < 2 then \"yes\" else \"no\"", "let fact = fn(n) if n < 2 then 1 else n * fact(n - 1); fact(30)", "2 ^ 3 ^ 2", "-2 ^ 2", "1 / 0", "x", "(1 + ", "\"a\" + 1", "let s = \"ü\"; s * 3", "7 // 2 % 2", "1 @ 2", "f(1)"]}
import operator
import re
from dataclasses import dataclass, field

TOKEN = re.compile(r'\s*(?:(\d+\.?\d*)|("[^"]*")|([A-Za-z_]\w*)|(//|[-+*/%^<>=();,])|(.))')
BINARY = {"+": (10, operator.add), "-": (10, operator.sub), "*": (20, operator.mul), "/": (20, operator.truediv), "//": (20, operator.floordiv), "%": (20, operator.mod), "<": (5, operator.lt), ">": (5, operator.gt), "^": (30, operator.pow)}


class ParseError(Exception):
    pass


@dataclass
class Scope:
    values: dict = field(default_factory=dict)
    parent: "Scope | None" = None

    def __getitem__(self, name):
        scope = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.parent
        raise NameError(f"{name} is not defined")


class Parser:
    def __init__(self, text):
        self.tokens = [(m.lastindex, m[m.lastindex], m.start(m.lastindex)) for m in TOKEN.finditer(text) if m[0].strip()]
        self.at = 0

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else (0, "end", -1)

    def take(self, want=None):
        kind, text, at = self.peek()
        if want is not None and text != want:
            raise ParseError(f"expected {want!r}, found {text!r} at {at}")
        self.at += 1
        return kind, text

    def program(self):
        body = [self.statement()]
        while self.peek()[1] == ";":
            self.take()
            body.append(self.statement())
        if self.peek()[0]:
            raise ParseError("unexpected {1!r} at {2}".format(*self.peek()))
        return body

    def statement(self):
        if self.peek()[1] == "let":
            self.take()
            name = self.take()[1]
            self.take("=")
            return ("let", name, self.expression())
        return self.expression()

    def expression(self, level=0):
        left = self.atom()
        while (op := self.peek()[1]) in BINARY and BINARY[op][0] >= level:
            self.take()
            left = (op, left, self.expression(BINARY[op][0] + (op != "^")))
        return left

    def atom(self):
        match self.take():
            case (1, text):
                return float(text) if "." in text else int(text)
            case (2, text):
                return ("str", text[1:-1])
            case (4, "-"):
                return ("-", 0, self.expression(25))
            case (4, "("):
                inner = self.expression()
                self.take(")")
                return inner
            case (3, "if"):
                test = self.expression()
                self.take("then")
                yes = self.expression()
                self.take("else")
                return ("if", test, yes, self.expression())
            case (3, "fn"):
                return ("fn", self.names(lambda: self.take()[1]), self.expression())
            case (3, name):
                return ("call", name, self.names(self.expression)) if self.peek()[1] == "(" else ("name", name)
            case (_, text):
                raise ParseError(f"unexpected {text!r}")

    def names(self, item):
        self.take("(")
        found = []
        while self.peek()[1] != ")":
            found.append(item())
            if self.peek()[1] == ",":
                self.take()
        self.take(")")
        return found


def run(node, scope):
    match node:
        case int() | float():
            return node
        case ("str", text):
            return text
        case ("name", name):
            return scope[name]
        case ("let", name, value):
            scope.values[name] = run(value, scope)
        case ("if", test, yes, no):
            return run(yes if run(test, scope) else no, scope)
        case ("fn", names, body):
            return lambda *values: run(body, Scope(dict(zip(names, values, strict=True)), scope))
        case ("call", name, arguments):
            return scope[name](*[run(a, scope) for a in arguments])
        case (op, left, right):
            return BINARY[op][1](run(left, scope), run(right, scope))


def main(args, context):
    out = {}
    for text in args["programs"]:
        scope = Scope()
        try:
            for statement in Parser(text).program():
                value = run(statement, scope)
            out[text] = value
        except Exception as error:
            out[text] = f"{type(error).__name__}: {error}"
    return out

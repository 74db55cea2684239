"""Evaluates formulas safely, rewrites code and reads tokens and disassembly."""
import ast
import dis
import io
import operator
import symtable
import tokenize

OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Pow: operator.pow, ast.USub: operator.neg, ast.Mod: operator.mod}
CODE = 'import os\n\n@dec\nasync def f(a, /, b: int = 1, *c, d=2, **e) -> str:\n    """Doc."""\n    if (n := len(c)) > 1: return f"{n!r:>{b}} {d=}"\n    async with x as y, z: pass\n    match a:\n        case {"k": [1, *_], **rest} if rest: raise E from None\n        case Point(x=0) | None: ...\n    return [i async for i in g() if i] or (lambda *, k: (yield))\n\nclass C[T](B, metaclass=M): x: "T" = 0x1f + 1_000j\n'


def evaluate(node, names):
    match node:
        case ast.Expression(body):
            return evaluate(body, names)
        case ast.Constant(int() | float() as value):
            return value
        case ast.Name(name) if name in names:
            return names[name]
        case ast.BinOp(left, op, right) if type(op) in OPERATORS:
            return OPERATORS[type(op)](evaluate(left, names), evaluate(right, names))
        case ast.UnaryOp(op, operand) if type(op) in OPERATORS:
            return OPERATORS[type(op)](evaluate(operand, names))
    raise ValueError(f"{type(node).__name__} is not allowed at column {getattr(node, 'col_offset', None)}")


class Rename(ast.NodeTransformer):
    def visit_Name(self, node):
        return ast.copy_location(ast.Name(node.id.upper(), node.ctx), node)


def attempt(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return [type(error).__name__, str(error), getattr(error, "lineno", None), getattr(error, "offset", None), getattr(error, "text", None), getattr(error, "end_offset", None)]


def main(args, context):
    tree = ast.parse(CODE)
    formulas = ["1 + 2 * x ** 2", "-(x % 4) / 8", "__import__('os')", "x.y", "1 +", "y", "'a' * 3", "(1"]
    bad = ["a = ", "def f(:\n", "if x\n  y", "  x = 1\n y", "x = 'abc", "f(a b)", "return 1", "1 = x", "a, b += 1", "print 'x'", "for in y: pass", "class", "x = {1: }", "f'{a'", "f'{}'", "async x", "else: pass", "x = 0777", "é€ = 1", "\tif 1:\n        x\n\ty", "del f()", "break", "nonlocal x", "import a.b as c.d", "a := 1", "lambda: (yield) = 1", "'''open", "[i for i in range(3)", "f(**a, *b)", "def f(a, a): pass", "x: int: str", "raise a, b", "try: x", "elif 1: 2", "from x import *; def", "while True print(1)", "a b c", "(a, b): int = 1", "None = 1", "{**a for a in b}", "1.e", "1__0", "'\\N{bad}'", "$"]
    return {
        "formulas": {f: attempt(lambda f=f: evaluate(ast.parse(f, mode="eval"), {"x": 3})) for f in formulas}, "unparse": ast.unparse(Rename().visit(tree)), "dump": ast.dump(ast.parse("a[1:2].b(c, *d)"), indent=1), "literal": [attempt(ast.literal_eval, t) for t in ("{'a': [1, (2,), None, -3.5, 1+2j and 0]}", "[1, 'x', b'y']", "a", "1 + 1", "")].__repr__().split(" object at ")[0], "walk": [type(n).__name__ for n in ast.walk(tree)][:30], "doc": ast.get_docstring(tree.body[1]), "segment": ast.get_source_segment(CODE, tree.body[0]),
        "bad": {b: attempt(compile, b, "x", "exec") for b in bad}, "tokens": [[tokenize.tok_name[t.exact_type], t.string, list(t.start)] for t in tokenize.generate_tokens(io.StringIO('x = f"a{b!r}" # c\n').readline)], "untokenize": tokenize.untokenize(tokenize.generate_tokens(io.StringIO("a  =  1\n").readline)), "encoding": [tokenize.detect_encoding(io.BytesIO(s).readline)[0] for s in (b"# -*- coding: latin-1 -*-\n", b"\xef\xbb\xbfx", b"x")] + [attempt(tokenize.detect_encoding, io.BytesIO(b"# coding: nope\n").readline)[:2]],
        "dis": [[i.opname, i.argrepr] for i in dis.get_instructions(evaluate)][:40], "code": [evaluate.__code__.co_varnames, evaluate.__code__.co_stacksize, evaluate.__code__.co_flags, evaluate.__code__.co_firstlineno, len(list(evaluate.__code__.co_positions()))], "symbols": sorted([s.get_name(), s.is_local(), s.is_global(), s.is_free()] for s in symtable.symtable("def f(a):\n  global g\n  return lambda: a + g", "x", "exec").get_children()[0].get_symbols()),
    }

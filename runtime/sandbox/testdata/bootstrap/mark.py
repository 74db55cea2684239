import ast
import traceback

from _faas_boot import mark

# Lines of which each expression and statement is taken for the failing part.
LINES = r'''
value = f(x)
value = self.f(x)(y)[z]
value = other = f(x)
value: int = f(x)
value += f(x) + 1
returned = f(x).g()
return f(x)
return f (x) # after
return f(x); g()
return self.f(x)
return f(x)(y)
return (f(x))
return f(x) + 1
return f(x) if a else b
return f(x), g(y)
(value) = f(x)
key = f(x),
a + b * c - d
a - (b + c) * -d ** e
-a ** b ** -c
(a) + (b)
a+(b, c)
a<<b>>c|d&e^~f
a//b%c@d
"a" "b" % (c)
'a\'b' + "c\"d[" + r'\d' + b'x'.decode()
x["a"]["b"][c + 1] = d[e](f)[1:2, ::3]
x.y.z.w
x [ 1 ] ( 2 )
{a: b[c]}[d]
{a, b(c)}
[a, b][c](d)
(a, b)[c]
(lambda a: b + c)(d)
lambda a: b + c
not a + b
a and b + c or d
a < b + c <= d
a is not b(c)
a in b[c]
a if b + c else d[e]
1e-5 + 0xE+1 - 1_0.5e+3j * .5
1 .real + 2.0.imag
f(*a, **b, c=d + e)
f(a for a in b[c])
[a + b for a in c if d(a)]
yield_ = a - b
(yield a + b)
(a := b + c) + d
await_(a) + b
print("a (b", ')', c["]"])
raise ValueError(a + b) from c
assert a[b] == c, d(e)
del a[b], c.d
import a.b
from a import b
with a(b) as c, d(e): f(g)
for a in b(c): d[a]
while a(b) - c: pass
if (a := b[c]): pass
async_ = f"{a + b}" + c
f"{a}"(b)
"""a""" + b
'x' if a else 'y'[b]
a . b ( c )
a+-b
a--b
a+ - +b
a**-b
a@b@c
a[b](c) + d[e](f) - g[h]
'''.strip().splitlines()


def by_traceback(line, start, end):
    summary = traceback.FrameSummary("f", 1, "f", lookup_line=False, line=line + "\n", end_lineno=1, colno=start, end_colno=end)
    shown = traceback.StackSummary().format_frame_summary(summary).splitlines()
    return shown[2][4:] if len(shown) > 2 else ""


def test_marks_are_those_of_traceback():
    decided = 0
    for line in LINES:
        for node in ast.walk(ast.parse(line)):
            if not isinstance(node, (ast.expr, ast.stmt)):
                continue
            start, end = node.col_offset, node.end_col_offset
            try:
                marks = mark.mark(line, start, end)
            except mark.Unclear:
                continue
            decided += 1
            assert marks == by_traceback(line, start, end), (line, line[start:end], marks)
    assert decided > 450, decided


def test_anything_is_marked():
    for line in ("", "#", "(", ")", "((", "a(", "a)", "'", "a'b", "*", "a*", "a[b", "\\", "a\\", "'''", "f'", "a" * 400, "(" * 400, "a+" * 200, "1." * 200):
        for start in (0, 1, len(line) // 2, len(line)):
            for end in (start, start + 1, len(line), len(line) + 5):
                try:
                    mark.mark(line, start, end)
                except mark.Unclear:
                    pass

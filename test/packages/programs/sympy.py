from sympy import Eq, Matrix, diff, expand, factor, integrate, latex, limit, oo, pi, simplify, sin, solve, symbols, sqrt

x, y = symbols("x y")


def main(args, context):
    return [str(v) for v in (
        expand((x + 1) ** 4), factor(x**3 - 1), diff(sin(x) * x**2, x), integrate(x * sin(x), x), limit(sin(x) / x, x, 0),
        solve([Eq(x + y, 3), Eq(x - y, 1)]), solve(x**2 - 2), Matrix([[1, 2], [3, 4]]).inv(), simplify(sin(x) ** 2 + (1 - sin(x) ** 2)),
        pi.evalf(30), latex(sqrt(x) / y), integrate(1 / x**2, (x, 1, oo)),
    )]

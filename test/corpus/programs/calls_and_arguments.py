"""Errors of calls, arguments, unpacking, operators and attribute access, in CPython's own words."""


def f(a, b=1, /, c=2, *, d, e=3):
    return a, b, c, d, e


class C:
    def m(self):
        pass

    @staticmethod
    def s(x):
        return x

    @classmethod
    def k(cls, *, y):
        return y


CASES = """f()|f(1)|f(1, 2, 3, 4, d=1)|f(1, d=1, a=2)|f(1, d=1, x=2)|f(1, d=1, **{'d': 2})|f(*[1], **{'d': 1, 'e': 2})|f(*1)|f(**1)|f(1, d=1, c=2, C=3)|C.m()|C().m(1)|C.s()|C.k(1)|C(1)|len()|len(1)|len([], [])|int('x', y=1)|int(x=1)|print(1, sp='')|[].append()|[].append(1, 2)|{}.get()|'a'.join(1)|'a'.join(['b', 1])|'%d' % 'x'|'%s %s' % 'x'|'%(a)s' % {}|'%q' % 1|'{} {}'.format(1)|'{a}'.format()|'{0.x}'.format(1)|1 + 'a'|'a' + 1|[] + ()|1 < 'a'|None > 1|{} < {}|-'a'|~1.5|'a' * 'b'|'a' * 1.5|[1][1.5]|[1]['a']|{}['a']|(1)[0]|None[0]|None.x|None()|5()|'a'.b|C.x|C().x|C().x.y|[].x|int.x|x|len = 5|a, b = 1|a, b = [1]|a, b = [1, 2, 3]|a, *b, c = [1]|for x in 5: pass|(x for x in 5)|[*5]|{**5}|{*5}|iter(5)|next(5)|next([])|reversed({1})|sorted(5)|sum('ab')|max()|max([])|min(1)|abs('a')|round('a')|chr(-1)|chr(2**40)|ord('ab')|hex(1.5)|int([])|int('')|float('')|float([])|complex('x')|bool(1, 2)|range()|range(1.5)|range(1, 2, 0)|slice()|bytes('a')|bytes(-1)|bytearray([1000])|str(b'a', 'nope')|str(1, 'utf-8')|'é'.encode('ascii')|b'\\xff'.decode()|dict(1)|dict([1])|dict([[1]])|set(1)|frozenset([[]])|{[]}|list(1)|tuple(1)|zip(1)|map(1)|list(map(1, [1]))|filter(1)|enumerate()|isinstance(1, 1)|issubclass(1, int)|type(1, 2)|type('x', (1,), {})|getattr(1)|getattr(1, 2)|setattr(1, 'x', 1)|delattr(C, 'zz')|vars(1)|dir(1, 2)|hash([])|open()|open(None)|eval('1 +')|exec('import nope_x')|__import__('')|import nope|from os import nope|raise|raise 5|raise C|assert 0, 'text'|assert False|del zz|with 5: pass|with open('/none'): pass|async_x = await_|1 / 0|1 % 0|1.0 // 0|divmod(1, 0)|0 ** -1|pow(1, 2, 0)|1 << -1|10 ** 5000 and int('1' * 5000)|memoryview(1)|memoryview(b'a')[5]|'abc'.index('z')|[1].index(2)|(1,).index(2)|[].pop()|{}.pop('a')|set().pop()|[1].remove(2)|b'a'.index(b'z')|'a'.ljust(5, 'xx')|'a'.split('')|''.zfill('a')|'a'.replace(1, 2)|'a'.startswith(1)|'a'.translate(1)|'abc'[::0]|[1, 2][::0]|(lambda: 1)(2)|(lambda x: x)()|object().x|object() < object()|property().fget()|staticmethod(1)()|super().x|super(1)|globals()['nope']|__debug__ and 1 .x|int.from_bytes('a')|(1).to_bytes(0)|float.fromhex('z')|1j < 2j|float('nan') == float('nan')|NotImplemented and 1|not_defined.attr|f.nope|f.__name__.nope|match_me""".split("|")


def main(args, context):
    out = {}
    for case in CASES:
        scope = {"f": f, "C": C}
        try:
            try:
                out[case] = repr(eval(case, scope))[:80]
            except SyntaxError:
                exec(case, scope)
                out[case] = "done"
        except BaseException as error:
            out[case] = f"{type(error).__name__}: {error}"
        if " at 0x" in out[case]:
            out[case] = out[case].split(" at 0x")[0]
    return out

package sandbox

import (
	"fmt"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// encodersSource encodes random values with random options by the encoder in C and by the one in
// Python of package json, and returns the first case in which they differ.
const encodersSource = `import collections, enum, json, json.encoder as e, random, struct, _json

class Color(enum.IntEnum): RED = 1; BIG = 2**70
class Word(enum.StrEnum): A = 'a"\n'
class Text(str):
    def __str__(self): return "not this"
class Number(int):
    def __repr__(self): return "not this"
class Real(float):
    def __repr__(self): return "not this"
class Items(dict):
    def items(self): return [("of", "items"), (2, None)]
Pair = collections.namedtuple("Pair", "a b")

ALPHABETS = ["abc xyz", 'a"\\\n\t\b\f\r/', "".join(map(chr, range(0x30))), "a\x7f\x80\xe9\xff", "a\u0100\u20ac\u2028\uffff",
             "a\U00010000\U0001f600\U0010ffff", "a\ud800\udfff\U0001f600\xe9", "\n0123456789" * 3]

def text(r):
    alphabet = r.choice(ALPHABETS)
    n = r.choice((0, 1, 2, 7, 8, 9, r.randrange(40), r.randrange(40), r.randrange(600)))
    s = "".join(r.choices(alphabet, k=n))
    if r.random() < .5: s = "x" * r.randrange(20) + s + "y" * r.randrange(20)
    return Text(s) if r.random() < .05 else s

def number(r):
    k = r.randrange(8)
    if k < 3: return r.choice((1, -1)) * (2 ** r.choice((0, 1, 15, 29, 30, 31, 32, 33, 53, 62, 63, 64, 65, 300)) + r.randrange(-2, 3))
    if k == 3: return r.randrange(-1000, 1000)
    if k == 4: return Number(r.randrange(-1000, 1000))
    if k == 5: return r.choice(list(Color))
    if k == 6: return r.choice((True, False))
    return r.randrange(-10 ** 12, 10 ** 12)

def real(r):
    k = r.randrange(6)
    if k == 0: x = struct.unpack("d", r.randbytes(8))[0]
    elif k == 1: x = r.random()
    elif k == 2: x = float(r.randrange(-10 ** 17, 10 ** 17)) / 10 ** r.randrange(20)
    elif k == 3: x = r.choice((0.0, -0.0, 1e15, 1e16, 1e-4, 1e-5, 0.1, float("inf"), float("-inf"), float("nan")))
    else: x = round(r.uniform(-1000, 1000), r.randrange(8))
    return Real(x) if r.random() < .05 else x

def key(r):
    k = r.randrange(12)
    if k < 8: return text(r)
    return (number(r), real(r), None, (1, 2))[k - 8] if k > 8 or r.random() < .5 else b"bytes"

def value(r, depth, seen):
    k = r.randrange(14)
    if depth > 4 or k < 6: return (text, number, real, text, lambda r: r.choice((None, True, False)), lambda r: Word.A)[k % 6](r)
    if k == 6 and r.random() < .1: return r.choice((object(), {1}, b"x"))
    if k == 7 and r.random() < .02: return r.choice(seen) if seen else 1
    n = r.choice((0, 1, 2, r.randrange(8)))
    if k < 10:
        made = []
        seen.append(made)
        made += [value(r, depth + 1, seen) for _ in range(n)]
        return r.choice((lambda: made, lambda: tuple(made), lambda: Pair(made, n)))()
    made = {} if k < 13 else r.choice((collections.OrderedDict, Items))()
    seen.append(made)
    alike = r.choice((text, text, number, real, key))
    for _ in range(n): made[alike(r)] = value(r, depth + 1, seen)
    return made

def attempt(f):
    try: return f()
    except (ValueError, TypeError) as error: return type(error).__name__ + ": " + str(error)
    except RecursionError: return "recursion"

PURE = {"c_make_encoder": None, "encode_basestring": e.py_encode_basestring, "encode_basestring_ascii": e.py_encode_basestring_ascii}
FAST = {name: getattr(e, name) for name in PURE}

def both(f):
    fast = attempt(f)
    vars(e).update(PURE)
    try: return fast, attempt(f)
    finally: vars(e).update(FAST)

def main(args, context):
    r = random.Random(args["seed"])
    text_of = lambda s: '"' + s.replace('"', "'") + '\u20ac"'
    for case in range(args["cases"]):
        v = value(r, 0, [])
        options = dict(ensure_ascii=r.random() < .5, skipkeys=r.random() < .7, check_circular=r.random() < .9, allow_nan=r.random() < .8,
                       sort_keys=r.random() < .2, indent=r.choice((None, None, None, 0, 2, "\t", "\xe9", "\u20ac")),
                       separators=r.choice((None, (",", ":"), (", ", ": "), ("", ""), ("\u20ac", "\U0001f600"), ("\ud800", "\xe9"))),
                       default=r.choice((None, repr, lambda o: [str(type(o)), {"of": "default"}], lambda o: o)))
        got, want = both(lambda: json.dumps(v, **options))
        if got != want: return ["dumps", case, repr(options), ascii(v)[:2000], ascii(got)[:2000], ascii(want)[:2000]]
        # A function that encodes strings, which only callers of make_encoder can give.
        got = attempt(lambda: "".join(_json.make_encoder({}, repr, text_of, None, ":", ",", False, True, True)(v, 0)))
        want = attempt(lambda: "".join(e._make_iterencode({}, repr, text_of, None, float.__repr__, ":", ",", False, True, True)(v, 0)))
        if got != want and "nan" not in want and "inf" not in want: return ["encoder", case, ascii(v)[:2000], ascii(got)[:2000], ascii(want)[:2000]]
        # To bytes, as results are encoded.
        got = attempt(lambda: _json.make_encoder({}, repr, e.c_encode_basestring, None, ":", ",", False, True, True).utf8(v))
        want = both(lambda: json.dumps(v, ensure_ascii=False, separators=(",", ":"), default=repr, skipkeys=True).encode())[1]
        if got != want and not (want[:7] == "Unicode" and got == "ValueError: a string has a lone surrogate"):
            return ["utf8", case, ascii(v)[:2000], ascii(got)[:2000], ascii(want)[:2000]]
        # The decimal that is nearest to a number, of those with the fewest digits that have it as their nearest number.
        x = float(real(r))
        if x == x and abs(x) != float("inf"):
            want = next(t for n in range(17) if float(t := "%.*e" % (n, x)) == x)
            digits = repr(x).lower().partition("e")[0].replace("-", "").replace(".", "").strip("0")
            if float(repr(x)) != x or digits != want.partition("e")[0].replace("-", "").replace(".", "").strip("0") or str(x)[:1] != want[:1] and want[:1] == "-":
                return ["repr", case, repr(x), want, x.hex()]
    return None
`

// TestEncodersOfJSONAgree verifies that the encoder in C, which faaspot patches, writes the same
// bytes and raises the same errors as the one in Python, and that the repr of a number is the
// shortest decimal that is nearest to it.
func TestEncodersOfJSONAgree(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, encodersSource, runtime.Limits{})
	for seed := range max(4, *soak) {
		args := fmt.Sprintf(`{"seed":%d,"cases":400}`, seed)
		if got := result(t, box, p, args); got != "null" {
			t.Fatalf("%s: %s", args, got)
		}
	}
}

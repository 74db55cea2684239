package sandbox

import (
	"fmt"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// churnSource allocates and frees blocks of all sizes of the small allocator, at module level and in
// runs, and verifies that each keeps its content as long as it lives.
const churnSource = `import random, sys

def block(r, number):
    n = r.choice((r.randrange(1, 30), r.randrange(600)))
    kind = r.randrange(4)
    if kind == 0: return number, bytes([number % 251]) * n
    if kind == 1: return number, str(number % 10) * n
    if kind == 2: return number, [number] * (n // 4)
    return number, tuple([number] * (n // 4))

def intact(number, content):
    if isinstance(content, bytes): return content == bytes([number % 251]) * len(content)
    if isinstance(content, str): return content == str(number % 10) * len(content)
    return all(n == number for n in content)

def churn(seed, live, rounds, most):
    r = random.Random(seed)
    for number in range(rounds):
        if live and (len(live) >= most or r.random() < .4): # bursts of frees empty whole pools
            for _ in range(r.choice((1, 1, 40))):
                if live:
                    i = r.randrange(len(live))
                    live[i], live[-1] = live[-1], live[i]
                    if not intact(*live.pop()): return False
        else:
            live.append(block(r, number))
            if r.random() < .1:
                grown = bytearray(b"x")
                for _ in range(r.randrange(50)): grown += b"xyz"
                if grown.strip(b"xyz"): return False
    return all(intact(*b) for b in live)

kept = []
assert churn(1, kept, MODULE_ROUNDS, 3000)

def main(args, context):
    blocks = sys.getallocatedblocks()
    live = []
    good = churn(args["seed"], live, args["rounds"], args["most"]) and churn(args["seed"] + 1, kept, 500, 3000)
    more = sys.getallocatedblocks() - blocks
    return [good, more >= len(live) and more < 20 * len(live) + 5000]
`

// TestSmallObjectsKeepTheirContent allocates in the nursery, beyond it, and in what was set aside
// for it, after modules that have used little, all and more of their part of it.
func TestSmallObjectsKeepTheirContent(t *testing.T) {
	box := boxes["mapped"]
	for _, moduleRounds := range []int{0, 30, 300, 20_000} {
		p := deployed(t, box, fmt.Sprintf("MODULE_ROUNDS = %d\n", moduleRounds)+churnSource, runtime.Limits{})
		for seed := range max(2, *soak) {
			for _, most := range []int{5, 100, 2000} {
				args := fmt.Sprintf(`{"seed":%d,"rounds":6000,"most":%d}`, 10*seed, most)
				if got := result(t, box, p, args); got != "[true,true]" {
					t.Errorf("a module of %d rounds, %s: got %s", moduleRounds, args, got)
				}
			}
		}
	}
}

// TestOutputWithoutNewlineIsKept writes to standard output and error by all means that may leave
// something in a buffer.
func TestOutputWithoutNewlineIsKept(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, "import sys\nprint('module', end='')\n"+body(`exec(args["write"], {"sys": sys})`), runtime.Limits{})
	for _, write := range []string{
		"print('hello', end='')", "sys.stdout.write('hello')", "sys.stdout.buffer.write(b'hello')", "sys.stdout.writelines(['hel', 'lo'])",
		"print('hello', end='', file=sys.stderr)", "sys.stderr.buffer.write(b'hello')", "print('hello', end=''); 1/0", "sys.stdout.buffer.write(b'hello'); raise SystemExit(1)",
	} {
		outcome := run(t, box, p, fmt.Sprintf(`{"write":%q}`, write))
		if got := string(outcome.Logs.Data); got != "hello" {
			t.Errorf("%s: the logs have %q", write, got)
		}
	}
}

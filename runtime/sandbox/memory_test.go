package sandbox

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/attack"
)

// hoarders need more memory than there is.
var hoarders = []struct {
	name    string
	main    string
	classes []runtime.Class
}{
	{"bytearray", "bytearray(10**10)", []runtime.Class{runtime.ClassMemory, runtime.ClassError}}, // beyond 32 bits
	{"bytearray below 2 GiB", "bytearray(2 * 10**9)", []runtime.Class{runtime.ClassMemory}},
	{"just over", "bytearray(200 << 20)", []runtime.Class{runtime.ClassMemory}},
	{"list", "[0] * 10**9", []runtime.Class{runtime.ClassMemory}},
	{"text", "'x' * 2**31", []runtime.Class{runtime.ClassMemory, runtime.ClassError}},
	{"doubling", "s = 'x'\nwhile True: s += s", []runtime.Class{runtime.ClassMemory}},
	{"small objects", "hoard = []\nwhile True: hoard.append([len(hoard)])", []runtime.Class{runtime.ClassMemory}},
	{"linked", "hoard = None\nwhile True: hoard = (hoard,)", []runtime.Class{runtime.ClassMemory}},
	{"dict", "d = {}\nwhile True: d[len(d)] = str(len(d))", []runtime.Class{runtime.ClassMemory}},
	{"goes on", `
hoard = []
while True:
    try:
        hoard.append(bytearray(1 << 16))
    except MemoryError:
        hoard.append(None)`, []runtime.Class{runtime.ClassMemory, runtime.ClassTimeout}},
	{"goes on finely", `
hoard = []
while True:
    try:
        while True: hoard.append([len(hoard)])
    except BaseException:
        pass`, []runtime.Class{runtime.ClassMemory, runtime.ClassTimeout, runtime.ClassCrashed}},
	{"classes", "hoard = []\nwhile True: hoard.append(type('T', (), {}))", []runtime.Class{runtime.ClassMemory}},
	{"code", "hoard = []\nwhile True: hoard.append(compile('def f(x): return x + %d' % len(hoard), 'x', 'exec'))", []runtime.Class{runtime.ClassMemory}},
	{"generators", "hoard = []\nwhile True: hoard.append(x for x in ())", []runtime.Class{runtime.ClassMemory}},
	{"database", "import sqlite3; sqlite3.connect(':memory:').execute('select hex(zeroblob(500000000))').fetchall()", []runtime.Class{runtime.ClassMemory, runtime.ClassError}},
	{"decompression", "import zlib; z = zlib.compress(bytes(60 << 20)); [zlib.decompress(z) for _ in range(9)]", []runtime.Class{runtime.ClassMemory}},
	{"format", "'%2000000000d' % 1", []runtime.Class{runtime.ClassMemory, runtime.ClassError}},
	{"result", "return ['x' * (1 << 20)] * 500", []runtime.Class{runtime.ClassMemory, runtime.ClassResultTooLarge}},
}

func TestMemoryLimit(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		neighbour(t, box)
		for _, limit := range []int64{runtime.MinMemory, runtime.DefaultMemory} {
			for i, hoarder := range hoarders {
				if limit != runtime.MinMemory && *soak == 0 || !sampled(box, i) {
					continue // takes long
				}
				t.Run(hoarder.name, func(t *testing.T) {
					limits := runtime.Limits{Memory: limit, Timeout: 10 * runtime.MinTimeout}
					if slices.Contains(hoarder.classes, runtime.ClassTimeout) {
						limits.Timeout = 4 * runtime.MinTimeout
					}
					p := deployed(t, box, body(hoarder.main), limits)
					defer box.Forget(p.FunctionID, p.Version)
					outcome := runInTime(t, box, p, "{}")
					// On a busy machine the deadline may pass first.
					checkClass(t, outcome, append(hoarder.classes, runtime.ClassTimeout)...)
					if outcome.Usage.Memory > limit {
						t.Errorf("the memory grew to %d, the limit is %d", outcome.Usage.Memory, limit)
					}
				})
			}
		}
	})
}

func TestMemoryErrorCanBeCaught(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, body(`
caught = 0
for _ in range(3):
    try:
        hoard = [bytearray(8 << 20) for _ in range(100)]
    except MemoryError:
        caught += 1
return caught`), runtime.Limits{})
		outcome := run(t, box, p, "{}")
		checkClass(t, outcome, "")
		if string(outcome.Result) != "3" {
			t.Errorf("got %s", outcome.Result)
		}
		if outcome.Usage.Memory <= int64(box.guest.base.size) || outcome.Usage.Memory > runtime.DefaultMemory {
			t.Errorf("used %d bytes", outcome.Usage.Memory)
		}
	})
}

// TestMemoryUpToTheLimit verifies that a function can use its memory limit, less the interpreter's
// own share.
func TestMemoryUpToTheLimit(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		const limit = 256 * runtime.MiB
		p := deployed(t, box, body(`
block = bytearray(args["n"])
for i in range(0, len(block), 4096): block[i] = 7
return block[-4096 - len(block) % 4096] or len(block)`), runtime.Limits{Memory: limit})
		checkClass(t, run(t, box, p, `{"n":200000000}`), "")
		fails(t, box, p, `{"n":270000000}`, runtime.ClassMemory)
	})
}

// fragmentSlack is how many bytes of resident memory may come and go between runs. One run takes 90 MB.
const fragmentSlack = 45 * runtime.MiB

// residentMemory returns the resident memory of the process, in bytes.
func residentMemory(t *testing.T) int64 {
	t.Helper()
	resident, err := attack.Resident(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return resident
}

// TestFragmentationLeavesNothing grows to the limit and frees the memory, many times. The memory is
// returned each time.
func TestFragmentationLeavesNothing(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		rounds := times(12)
		if !box.guest.mapped && *soak == 0 {
			rounds = 3 // copying that much takes long
		}
		p := deployed(t, box, body(`
blocks = [bytearray(1 << 20) for _ in range(90)]
del blocks[::2]
return len(blocks)`), runtime.Limits{})
		var first int64
		for i := range rounds {
			if got := result(t, box, p, "{}"); got != "45" {
				t.Fatalf("got %s", got)
			}
			if !box.guest.mapped {
				continue // Go's collector decides
			}
			resident := residentMemory(t)
			if i == 0 {
				first = resident
			}
			for began := time.Now(); resident > first+fragmentSlack; resident = residentMemory(t) { // a slot may be closed after its run has ended
				if time.Since(began) > 10*time.Second {
					t.Fatalf("after run %d %d MB are resident, after the first one %d MB", i, resident/runtime.MiB, first/runtime.MiB)
				}
				time.Sleep(time.Millisecond)
			}
		}
	})
}

// large takes nearly as many MB as its args say without writing to them, and then all that it can get
// in blocks of 1 MB, which the guest and the host read. It returns the largest address of a block, in
// MB.
const large = `
import hashlib
def main(args, context):
    open("/tmp/f", "wb").close()
    untouched = [open("/tmp/f", "rb", buffering=16 << 20) for _ in range((args["mb"] - 96) // 16)]
    blocks = []
    try:
        while True: blocks.append(len(blocks).to_bytes(1 << 20, "big"))
    except MemoryError:
        del blocks[::5] # room for the rest
    for block in blocks:
        with open("/tmp/g", "w+b", buffering=0) as f:
            f.write(memoryview(block)[-1000:])
            f.seek(0)
            assert f.read(2000) == block[-1000:]
        n = int.from_bytes(block[-1000:], "big")
        assert hashlib.sha256(block).digest() == hashlib.sha256(n.to_bytes(1 << 20, "big")).digest()
    return max(map(id, blocks)) >> 20
`

// TestMemoryOfEveryClass verifies that a run can use memory up to its limit and not more, on slots
// of every size, whichever was used before, and that addresses beyond 2 GiB work everywhere.
func TestMemoryOfEveryClass(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, large, runtime.Limits{})
	for _, mb := range []int64{1000, 3072, 128, 2048, 1025, 3072} {
		p.Limits.Memory = mb * runtime.MiB
		outcome := run(t, box, p, fmt.Sprintf(`{"mb":%d}`, mb))
		checkClass(t, outcome, "")
		if outcome.Usage.Memory > p.Limits.Memory || outcome.Usage.Memory < p.Limits.Memory-2*runtime.MiB {
			t.Errorf("with %d MB a run used %d bytes", mb, outcome.Usage.Memory)
		}
		highest, err := strconv.ParseInt(string(outcome.Result), 10, 64)
		if err != nil || highest < mb-8 {
			t.Errorf("with %d MB the highest block was at %d MB: %v", mb, highest, err)
		}
		fails(t, box, p, fmt.Sprintf(`{"mb":%d}`, mb+200), runtime.ClassMemory)
	}
}

// TestMemoryBeyondTheClassIsRefused verifies that a slot never grows beyond the addresses that it
// has reserved, whatever limit it is given.
func TestMemoryBeyondTheClassIsRefused(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, large, runtime.Limits{})
	s, r, done := preparedSlot(t, box, p)
	defer done()
	r.limits.Memory, r.deadline = runtime.MaxMemory, time.Now().Add(time.Minute)
	r.inputs = [3][]byte{[]byte(`{"mb":3072}`), noContext}
	outcome, _ := s.invoke(context.Background(), &r)
	checkClass(t, outcome, runtime.ClassMemory)
	if s.reserved != sizeClass || outcome.Usage.Memory > sizeClass {
		t.Errorf("a slot with %d bytes of addresses used %d", s.reserved, outcome.Usage.Memory)
	}
}

func TestMemoryLimitAtDeployment(t *testing.T) {
	box := boxes["mapped"]
	outcome, err := box.Deploy(t.Context(), program("hoard = []\nwhile True: hoard.append(bytearray(1 << 20))", runtime.Limits{}))
	if err != nil {
		t.Fatal(err)
	}
	checkClass(t, outcome, runtime.ClassMemory)
}

package sandbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// planter fills all memory that it can get with the marker in its args, leaves it on the stack, in
// files and in the interpreter's own objects, and ends.
const planter = `
import os, sys
keep = []
def deep(n, marker):
    a = b = c = d = e = f = marker * 2
    return n if n == 0 else deep(n - 1, a[:16]) + 1
def main(args, context):
    marker = bytes.fromhex(args["marker"])
    text = marker.decode("latin-1")
    sys.intern(text)
    setattr(sys, "planted_" + args["marker"], marker)
    os.environ["PLANTED"] = args["marker"]
    deep(500, marker)
    with open("/tmp/planted", "wb") as f:
        f.write(marker * 10000)
    print(args["marker"])
    size, room = 4 << 20, args["room"]
    try:
        while size > 1024 and room > 0:
            room -= size
            try:
                keep.append(bytearray(marker * (size // 16)))
            except MemoryError:
                size //= 2
        for n in range(3000 if room > 0 else 30): keep.append(marker + bytes(n % 400))
    except MemoryError:
        pass
    ending = args["ending"]
    if ending == "return": return len(keep)
    if ending == "freed":
        keep.clear()
        return 0
    if ending == "raise": raise ValueError(text)
    if ending == "exit": sys.exit(text)
    if ending == "hard exit": os._exit(1)
    if ending == "abort": os.abort()
    if ending == "memory":
        keep.append(bytearray(1 << 30))
    if ending == "crash":
        def f(): pass
        f.__code__ = f.__code__.replace(co_code=bytes([116, 255] * 50), co_consts=(), co_names=())
        f()
    if ending == "endless":
        keep[-9:] = []
        while True: pass
`

// finder grows its memory to its limit if its args ask for it, without writing to the new memory.
const finder = `
import os
def main(args, context):
    keep = []
    if args["grow"]:
        try:
            while True: keep.append(bytearray(1 << 20))
        except MemoryError:
            pass
    dirty = sum(b.count(0) != len(b) for b in keep)
    return [dirty, os.path.exists("/tmp/planted"), "PLANTED" in os.environ]
`

// plantings is the number of markers that are planted and searched for in mapped memory: one for
// each way to end and each amount of memory to fill. Fewer ones still have all ways and all amounts.
const plantings = 30

// fillings are the amounts of memory to fill: part of the image's free heap, all of it, and
// everything up to a higher limit.
var fillings = []struct{ limit, room int64 }{
	{runtime.MinMemory, 32 * runtime.MiB},
	{runtime.MinMemory, runtime.MaxMemory},
	{96 * runtime.MiB, runtime.MaxMemory},
}

func TestNothingIsLeftForOthers(t *testing.T) {
	endings := []string{"return", "freed", "raise", "exit", "hard exit", "abort", "memory", "crash", "endless", "cancelled"}
	eachBox(t, func(t *testing.T, shared *Sandbox) {
		for _, slots := range []int{1, 3} {
			t.Run(fmt.Sprint(slots), func(t *testing.T) {
				t.Parallel()
				if slots > 1 && !shared.guest.mapped && *soak == 0 {
					t.Skip("what is copied is copied for one slot as for many")
				}
				box := openBox(t, Options{IdleSlots: slots, Portable: !shared.guest.mapped})
				victim := deployed(t, box, planter, runtime.Limits{})
				spy := deployed(t, box, finder, runtime.Limits{Memory: runtime.DefaultMemory})
				other := deployed(t, box, finder, runtime.Limits{Memory: runtime.DefaultMemory})
				spy.Tenant, other.Tenant = "spy", "spy"
				checked, reused := 0, 0
				// More slots only change how the plantings are distributed. Copied memory is
				// overwritten as a whole, whatever a run has written to it.
				fewer := 1
				if !shared.guest.mapped {
					fewer = 3
				}
				for i := range times(plantings / slots / fewer) {
					ending := endings[i%len(endings)]
					filling := fillings[(i+i/len(endings))%len(fillings)]
					victim.Limits.Memory = filling.limit
					victim.Tenant = runtime.Tenant(fmt.Sprintf("victim%d", i%3))
					marker := make([]byte, 16)
					rand.Read(marker)
					before := newest(box)
					plant(t, box, victim, marker, ending, filling.room)
					if newest(box) == before && before != nil {
						reused++
					}

					// The victim's own function run by another tenant, and another function.
					hits, grown := look(t, box, spy, marker, i%5 == 0)
					hits2, _ := look(t, box, other, marker, false)
					if hits+hits2 > 0 {
						t.Fatalf("planting %d, ended by %s, memory grown %v: %d and %d markers of another tenant found",
							i, ending, grown, hits, hits2)
					}
					checked++
				}
				if checked == 0 || slots == 1 && reused == 0 {
					t.Errorf("%d checked, %d slots reused: the test is not meaningful", checked, reused)
				}
			})
		}
	})
}

func plant(t *testing.T, box *Sandbox, p runtime.Program, marker []byte, ending string, room int64) {
	t.Helper()
	ctx := context.Background()
	inGuest := ending
	switch ending {
	case "endless":
		p.Limits.Timeout = 5 * runtime.MinTimeout
	case "cancelled":
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		inGuest = "endless"
	}
	args := fmt.Sprintf(`{"marker":"%x","ending":"%s","room":%d}`, marker, inGuest, room)
	outcome, err := box.Run(ctx, runtime.RunCall{Program: p, Args: []byte(args), Context: fmt.Appendf(nil, `{"secret":"%x"}`, marker)})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]runtime.Class{
		"return": {""}, "freed": {""}, "raise": {runtime.ClassError}, "exit": {runtime.ClassExited},
		"hard exit": {runtime.ClassExited}, "abort": {runtime.ClassCrashed, runtime.ClassExited},
		"memory": {runtime.ClassMemory}, "endless": {runtime.ClassTimeout}, "cancelled": {runtime.ClassCancelled},
		"crash": {"", runtime.ClassCrashed, runtime.ClassError, runtime.ClassStack, runtime.ClassMemory},
	}[ending]
	// With its memory used up, a run may end in this way whatever it was asked to do.
	checkClass(t, outcome, append(want, runtime.ClassMemory)...)
}

// look runs a program and counts the markers in all of its memory before anything is restored.
func look(t *testing.T, box *Sandbox, p runtime.Program, marker []byte, grow bool) (hits int, grown bool) {
	t.Helper()
	img := box.images.get(keyOf(p))
	if img == nil {
		t.Fatal("the image is missing")
	}
	defer img.release()
	r := request{op: opRun, limits: p.Limits.WithDefaults()}
	r.inputs[0], r.inputs[1] = fmt.Appendf(nil, `{"grow":%v}`, grow), []byte("{}")
	outcome, err := box.callOnSlot(context.Background(), img, p.Tenant, r, func(s *slot, o runtime.Outcome) (runtime.Outcome, bool, error) {
		mem := s.memory.data()
		hits = bytes.Count(mem, marker) + bytes.Count(mem, []byte(hex.EncodeToString(marker)))
		grown = len(mem) > box.guest.base.size
		return o, true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	checkClass(t, outcome, "")
	if got := string(outcome.Result); got != "[0,false,false]" {
		t.Fatalf("found leftovers: %s", got)
	}
	if len(outcome.Logs.Data) > 0 {
		t.Fatalf("the log has bytes of another run: %q", outcome.Logs.Data)
	}
	if grow && !grown {
		t.Fatal("the memory did not grow")
	}
	return hits, grown
}

// TestMarkersAreSeen verifies that the marker that TestNothingIsLeftForOthers searches for is
// present in the run that plants it.
func TestMarkersAreSeen(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, planter, runtime.Limits{})
		img := box.images.get(keyOf(p))
		defer img.release()
		marker := []byte("0123456789abcdef")
		r := request{op: opRun, limits: p.Limits.WithDefaults()}
		r.inputs[0], r.inputs[1] = fmt.Appendf(nil, `{"marker":"%x","ending":"return","room":%d}`, marker, runtime.MaxMemory), []byte("{}")
		hits := 0
		outcome, err := box.callOnSlot(context.Background(), img, p.Tenant, r, func(s *slot, o runtime.Outcome) (runtime.Outcome, bool, error) {
			hits = bytes.Count(s.memory.data(), marker)
			return o, true, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		checkClass(t, outcome, "")
		if want := 64 * runtime.MiB / len(marker); hits < want {
			t.Errorf("%d markers are seen, at least %d were planted", hits, want)
		}
	})
}

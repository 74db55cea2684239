package sandbox

import (
	"context"
	"reflect"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/faaspot/faaspot/runtime"
)

// helloArgs are the args with which the benchmarks call hello.
var helloArgs, noContext = []byte(`{"name":"user1"}`), []byte("{}")

// BenchmarkWarm calls a function repeatedly in one interpreter that is never restored: the cost of
// a call without isolation.
func BenchmarkWarm(b *testing.B) { benchSlot(b, hello, func(*testing.B, *slot) {}) }

// BenchmarkPristine makes the same calls, each in a restored interpreter.
func BenchmarkPristine(b *testing.B) { benchSlot(b, hello, restoreSlot) }

// BenchmarkPristineAsync calls a function of which main is async.
func BenchmarkPristineAsync(b *testing.B) { benchSlot(b, "async "+hello, restoreSlot) }

func restoreSlot(b *testing.B, s *slot) {
	pages, usable, err := s.restore()
	if !usable || err != nil {
		b.Fatal("not restored", err)
	}
	b.ReportMetric(float64(pages), "pages")
}

// benchSlot calls the function of a source on a slot of its own, and calls after with the slot after each call.
func benchSlot(b *testing.B, source string, after func(*testing.B, *slot)) {
	box := boxes["mapped"]
	s, r, done := preparedSlot(b, box, deployed(b, box, source, runtime.Limits{}))
	defer done()
	r.deadline = time.Now().Add(time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		r.inputs = [3][]byte{helloArgs, noContext}
		if outcome, _ := s.invoke(context.Background(), &r); outcome.Failure != nil {
			b.Fatalf("%+v", *outcome.Failure)
		}
		after(b, s)
	}
}

// preparedSlot returns a slot that is prepared for a program and holds a permit to compute until
// done is called, and the request that its runs have in common.
func preparedSlot(t testing.TB, box *Sandbox, p runtime.Program) (s *slot, r request, done func()) {
	t.Helper()
	s, err := box.guest.newSlot(context.Background(), box.processors, box.accounts, classOf(p.Limits.WithDefaults().Memory))
	if err != nil {
		t.Fatal(err)
	}
	s.claim.ctx, s.claim.deadline = context.Background(), time.Now().Add(time.Hour)
	box.processors.acquire(&s.claim)
	done = func() {
		box.processors.release(&s.claim)
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
	img := box.images.get(keyOf(p))
	defer img.release()
	if err := s.prepare(img, p.Tenant); err != nil {
		done()
		t.Fatal(err)
	}
	return s, request{limits: p.Limits.WithDefaults()}, done
}

// BenchmarkRun makes the same calls as an engine does.
func BenchmarkRun(b *testing.B) {
	box := boxes["mapped"]
	p := deployed(b, box, hello, runtime.Limits{})
	b.ReportAllocs()
	pages := 0
	for b.Loop() {
		outcome, err := box.Run(context.Background(), runtime.RunCall{Program: p, Args: helloArgs, Context: noContext})
		if err != nil || outcome.Failure != nil {
			b.Fatal(outcome, err)
		}
		pages = outcome.Usage.Pages
	}
	b.ReportMetric(float64(pages), "pages")
}

// BenchmarkNewSlot makes slots, 100 of which exist at once.
func BenchmarkNewSlot(b *testing.B) {
	box := boxes["mapped"]
	b.ReportAllocs()
	var slots []*slot
	empty := func() {
		for _, s := range slots {
			if err := s.close(); err != nil {
				b.Fatal(err)
			}
		}
		slots = nil
	}
	for b.Loop() {
		slots = append(slots, emptySlot(b, box))
		if len(slots) == 100 {
			b.StopTimer()
			empty()
			b.StartTimer()
		}
	}
	empty()
}

// emptySlot returns a slot that no function has used.
func emptySlot(t testing.TB, box *Sandbox) *slot {
	t.Helper()
	s, err := box.guest.newSlot(t.Context(), box.processors, box.accounts, classOf(64*runtime.MiB))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// With the patched wazero, a slot takes few allocations, and no memory with pointers for each of the
// thousands of functions in the guest's table.
func TestNewSlotAllocates(t *testing.T) {
	compiler := reflect.ValueOf(wazero.NewRuntimeConfigCompiler).Pointer()
	if source, _ := goruntime.FuncForPC(compiler).FileLine(compiler); !strings.Contains(source, "/.cache/wazero/") {
		t.Skip("wazero as released allocates each reference to a function")
	}
	box := boxes["mapped"]
	if n := testing.AllocsPerRun(5, func() { must(t, emptySlot(t, box).close()) }); n > 1000 {
		t.Errorf("a slot takes %.0f allocations", n)
	}
}

// BenchmarkSwitch calls many functions by turns on one slot, so that each run changes its image.
func BenchmarkSwitch(b *testing.B) {
	box := openBox(b, Options{IdleSlots: 1})
	var programs []runtime.Program
	for range 16 {
		programs = append(programs, deployed(b, box, hello, runtime.Limits{}))
	}
	for i := 0; b.Loop(); i++ {
		outcome, err := box.Run(context.Background(), runtime.RunCall{Program: programs[i%len(programs)], Args: helloArgs, Context: noContext})
		if err != nil || outcome.Failure != nil {
			b.Fatal(outcome, err)
		}
	}
}

// BenchmarkTurns alternates between the benchmarks above, so that other work of the machine affects
// all of them alike. The -count flag does not: it repeats one benchmark before it starts the next.
func BenchmarkTurns(b *testing.B) {
	for range 6 {
		b.Run("Warm", BenchmarkWarm)
		b.Run("Pristine", BenchmarkPristine)
		b.Run("Run", BenchmarkRun)
	}
}

func BenchmarkDeploy(b *testing.B) {
	box := boxes["mapped"]
	for b.Loop() {
		p := deployed(b, box, hello, runtime.Limits{})
		box.Forget(p.FunctionID, p.Version)
	}
}

package sandbox

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"math"
	"math/rand/v2"
	goruntime "runtime"
	"testing"
	"time"

	"github.com/faaspot/faaspot/pyguest"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/sandbox/wasi"
)

// transferSlot returns a slot with a small memory, no instance and a call in progress: everything
// that faas.call uses.
func transferSlot(input []byte) *slot {
	m := newCopiedMemory(64*runtime.KiB, 64*runtime.KiB)
	s := &slot{memory: m, processors: newProcessors(1, time.Now), accounts: openAccounts(memory.New(0, nil), nil, nil, nil)}
	s.claim = claim{ctx: context.Background(), held: true, deadline: time.Now().Add(time.Hour)}
	s.host = hostContext{noCall, s}
	s.system = emptySystem(s)
	s.call = call{limits: runtime.Limits{}.WithDefaults()}
	for op := range s.call.input {
		s.call.input[op] = input
	}
	return s
}

// emptySystem returns the system interface of a slot, without files.
func emptySystem(s *slot) *wasi.System {
	tree, err := wasi.NewTree(nil)
	if err != nil {
		panic(err)
	}
	system, err := wasi.New(wasi.Config{Tree: tree, Clock: hostClock{time.Now()}, Random: cryptorand.Reader, Control: s})
	if err != nil {
		panic(err)
	}
	return system
}

// checkTransfer makes one call of transfer and checks everything that it may do.
func checkTransfer(t *testing.T, s *slot, op int32, request, requestLen, response, responseCap uint32) {
	t.Helper()
	mem := s.memory.data()
	before := bytes.Clone(mem)
	input := s.call.input
	answered := s.call.answered
	n := s.transfer(op, request, requestLen, response, responseCap)

	within := func(at, n uint32) bool { return uint64(at)+uint64(n) <= uint64(len(mem)) }
	reads := op >= pyguest.OpName && op <= pyguest.OpContext
	writes := op == pyguest.OpResult || op == pyguest.OpFailure
	waits := op == pyguest.OpWait
	switch {
	case n < -1 || !reads && !writes && !waits && n != -1, waits && n > 0:
		t.Fatalf("operation %d returned %d", op, n)
	case reads && n >= 0:
		if !within(response, responseCap) || uint32(n) > responseCap || !bytes.Equal(mem[response:][:n], input[op]) || s.call.input[op] != nil {
			t.Fatalf("operation %d to %d+%d returned %d", op, response, responseCap, n)
		}
		copy(before[response:], mem[response:][:n])
	case writes && n >= 0:
		if answered || !within(request, requestLen) || !s.call.answered {
			t.Fatalf("operation %d from %d+%d returned %d", op, request, requestLen, n)
		}
		got := s.call.result
		if op == pyguest.OpFailure {
			got = s.call.failure
		}
		if !bytes.Equal(got, mem[request:][:requestLen]) && len(got) < maxFailure {
			t.Fatalf("operation %d stored %d bytes of %d", op, len(got), requestLen)
		}
	case waits && n == 0 && (answered || !within(request, requestLen) || !s.call.waits || s.call.wait < 0):
		t.Fatalf("operation %d from %d+%d waits for %v", op, request, requestLen, s.call.wait)
	case writes && s.call.answered != answered:
		t.Fatal("a refused answer was stored")
	}
	if !bytes.Equal(mem, before) {
		t.Fatalf("operation %d, response %d+%d, answer %d: wrote outside the response", op, response, responseCap, n)
	}
}

func FuzzTransfer(f *testing.F) {
	const end = 64 * runtime.KiB
	for op := int32(-1); op <= pyguest.OpWait+1; op++ {
		f.Add(op, uint32(0), uint32(10), uint32(100), uint32(10), []byte("input"))
		f.Add(op, uint32(end), uint32(0), uint32(end), uint32(0), []byte(""))
		f.Add(op, uint32(end-1), uint32(2), uint32(end-1), uint32(2), []byte("x"))
		f.Add(op, uint32(math.MaxUint32), uint32(math.MaxUint32), uint32(math.MaxUint32), uint32(math.MaxUint32), []byte("x"))
		f.Add(op, uint32(1<<31), uint32(1<<31), uint32(1<<31), uint32(1<<31), []byte("x"))
	}
	f.Add(int32(pyguest.OpWait), uint32(128), uint32(48), uint32(0), uint32(0), []byte("x")) // zeros: a time that has come
	f.Fuzz(func(t *testing.T, op int32, request, requestLen, response, responseCap uint32, input []byte) {
		s := transferSlot(input)
		copy(s.memory.data(), "some content of the memory")
		checkTransfer(t, s, op, request, requestLen, response, responseCap)
		// Repeat it: an input is read once, and only the first answer counts.
		checkTransfer(t, s, op, request, requestLen, response, responseCap)
	})
}

// randomTransfers is the number of random calls of transfer.
const randomTransfers = 3000

func TestTransferWithstandsAnything(t *testing.T) {
	const seed = 28
	rng := rand.New(rand.NewPCG(seed, 0))
	interesting := []uint32{0, 1, 64*runtime.KiB - 1, 64 * runtime.KiB, 64*runtime.KiB + 1, 1 << 31, math.MaxInt32, math.MaxUint32, math.MaxUint32 - 1}
	number := func() uint32 {
		switch rng.IntN(3) {
		case 0:
			return interesting[rng.IntN(len(interesting))]
		case 1:
			return rng.Uint32N(64 * runtime.KiB)
		}
		return rng.Uint32()
	}
	s := transferSlot([]byte("what the guest may read"))
	for i := range times(randomTransfers) {
		if i%10 == 0 {
			for op := range s.call.input {
				s.call.input[op] = []byte("what the guest may read")
			}
			s.call.answered, s.call.result, s.call.failure = false, nil, nil
		}
		rng.Uint32()
		op := int32(rng.IntN(12)) - 2
		if rng.IntN(20) == 0 {
			op = int32(rng.Uint32())
		}
		checkTransfer(t, s, op, number(), number(), number(), number())
	}
}

// TestAnswerIsCopied verifies that memory which the guest changes after its answer does not change
// the answer.
func TestAnswerIsCopied(t *testing.T) {
	s := transferSlot(nil)
	copy(s.memory.data()[100:], "true")
	if s.transfer(pyguest.OpResult, 100, 4, 0, 0) != 0 {
		t.Fatal("refused")
	}
	copy(s.memory.data()[100:], "evil")
	for _, op := range []int32{pyguest.OpResult, pyguest.OpFailure} {
		if s.transfer(op, 100, 4, 0, 0) >= 0 {
			t.Error("a second answer was accepted")
		}
	}
	if string(s.call.result) != "true" || s.call.failure != nil {
		t.Errorf("stored %q, %q", s.call.result, s.call.failure)
	}
}

// TestAnswersAreBounded verifies that the host reads a bounded part of an answer of any size.
func TestAnswersAreBounded(t *testing.T) {
	s := transferSlot(nil)
	s.memory = newCopiedMemory(64*runtime.MiB, 64*runtime.MiB)
	s.transfer(pyguest.OpFailure, 0, 64*runtime.MiB, 0, 0)
	if len(s.call.failure) > maxFailure {
		t.Errorf("a failure of %d bytes is stored", len(s.call.failure))
	}
	s.call.answered = false
	s.transfer(pyguest.OpResult, 0, 64*runtime.MiB, 0, 0)
	if n := len(s.call.result); n <= runtime.MaxResult || n > runtime.MaxResult+1 {
		t.Errorf("a result of %d bytes is stored", n)
	}
}

// TestReadArgsAreFreed verifies that the args of a run that sleeps are not on Go's heap: the guest's
// memory has them, in which the run's reservation has room for them.
func TestReadArgsAreFreed(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, "import time\ndef main(args, context): time.sleep(600)\n", runtime.Limits{Timeout: time.Hour})
	defer box.Forget(p.FunctionID, p.Version)
	for _, kept := range []bool{true, false} {
		if !kept { // the run deploys the program in its own slot
			box.Forget(p.FunctionID, p.Version)
			box.images.noteUnkept(keyOf(p), math.MaxInt64, time.Now().Add(time.Hour))
		}
		freed := make(chan struct{})
		args := append(append([]byte(`{"x":"`), bytes.Repeat([]byte("x"), runtime.MiB)...), `"}`...)
		goruntime.AddCleanup(&args[0], func(freed chan struct{}) { close(freed) }, freed)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan runtime.Outcome)
		go func(c runtime.RunCall) {
			outcome, err := box.Run(ctx, c)
			if err != nil {
				t.Error(err)
			}
			ended <- outcome
		}(runtime.RunCall{Program: p, Args: args, Context: noContext})
		wait := time.After(time.Minute)
		for waiting := true; waiting; {
			goruntime.GC()
			select {
			case <-freed:
				waiting = false
			case outcome := <-ended:
				t.Fatalf("the run has ended: %+v", outcome.Failure)
			case <-wait:
				t.Errorf("the args are still on the heap while the run sleeps, image kept: %v", kept)
				waiting = false
			case <-time.After(10 * time.Millisecond):
			}
		}
		cancel()
		checkClass(t, <-ended, runtime.ClassCancelled)
	}
}

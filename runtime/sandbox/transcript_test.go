package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

var (
	transcriptFile = flag.String("transcript", "", "file for TestTranscript to write")
	transcriptFor  = flag.Duration("transcript.for", 0, "time for which TestTranscript runs random programs, after those of test/corpus; 0: a few random programs")
	transcriptSeed = flag.Uint64("transcript.seed", 1, "seed of the random programs and of the guest's random bytes")
)

// shortTranscript is the number of random programs of a transcript without -transcript.for.
const shortTranscript = 40

// TestTranscript writes a line for each of many runs, with hashes of all state that the run left.
// The guest's clock and random bytes are fixed, so that the lines depend on nothing but the seed:
// builds with other compilers must write the same (TestCompilersAgreeOnTheGuest). A transcript that
// is limited by time is a prefix of a longer one.
func TestTranscript(t *testing.T) {
	if *transcriptFile == "" {
		t.Skip("TestCompilersAgreeOnTheGuest runs it")
	}
	file, err := os.Create(*transcriptFile)
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriter(file)
	writeTranscript(t, out, *transcriptSeed)
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// steppingClock advances by clockStep whenever it is read.
type steppingClock struct{ reads int64 }

const clockStep = 10 * time.Millisecond

// Now implements wasi.Clock.
func (c *steppingClock) Now() (wall, monotonic int64) {
	c.reads++
	monotonic = c.reads * int64(clockStep)
	return 1_700_000_000e9 + monotonic, monotonic
}

var corpusArgs = regexp.MustCompile(`(?m)^# args: (.*)$`)

func writeTranscript(t *testing.T, out io.Writer, seed uint64) {
	end := time.Now().Add(*transcriptFor)
	rng := rand.New(rand.NewPCG(seed, 0))
	r := &recorder{clock: &steppingClock{}, random: rand.NewChaCha8([32]byte{})}
	binary.LittleEndian.PutUint64(r.seed[:], seed)
	r.begin()
	box := openBox(t, Options{clock: r.clock, random: r.random})
	r.box = box
	fmt.Fprintf(out, "base %x\n", sha256.Sum256(box.guest.base.view))
	defer r.dropSlot(t)

	if *transcriptFor > 0 {
		files, err := filepath.Glob(filepath.Join("..", "..", "test", "corpus", "programs", "*.py"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no programs of the corpus: %v", err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			args := []byte("{}")
			if found := corpusArgs.FindSubmatch(source); found != nil {
				args = found[1]
			}
			p := program(string(source), runtime.Limits{Timeout: recordedTimeout})
			r.begin()
			outcome, err := box.Deploy(context.Background(), p)
			if err != nil {
				t.Fatal(err)
			}
			line := "does not deploy: " + describe(outcome)
			if outcome.Failure == nil {
				line = r.run(t, p, args)
			}
			fmt.Fprintf(out, "%s %s %s\n", filepath.Base(file), args, line)
			box.Forget(p.FunctionID, p.Version)
		}
	}

	actions, endings := actionNames()
	endings = slices.DeleteFunc(endings, func(name string) bool { return name == "end_endless" }) // its end depends on the machine's clock
	functions := []runtime.Program{
		planned(t, box, "a", 0, 0, ""),
		planned(t, box, "b", 500, 3<<20, "\nfor _ in range(3): cycles(100); patterns(19); numbers(50); classes(20)\n"),
	}
	for i := 0; i < shortTranscript || time.Now().Before(end); i++ {
		p := functions[rng.IntN(len(functions))]
		p.Limits.Timeout = recordedTimeout
		args, _ := plan(rng, actions, endings)
		fmt.Fprintf(out, "%d %s %s %s\n", i, p.Tenant, args, r.run(t, p, args))
	}
}

// recordedTimeout is the time limit of recorded runs, which no program but a broken one reaches.
const recordedTimeout = 2 * time.Minute

// recorder runs programs on a slot of its own and describes what they leave.
type recorder struct {
	box    *Sandbox
	slot   *slot // nil: the next run makes one
	clock  *steppingClock
	random *rand.ChaCha8
	seed   [32]byte // of random
	begun  int64    // number of calls of begin
}

// begin sets the clock and the random bytes, so that what follows depends on the number of runs
// before, and not on what they did.
func (r *recorder) begin() {
	const most = 1_000_000 // reads of the clock; the time does not go back for fewer
	r.begun++
	r.clock.reads = r.begun * most
	r.random.Seed(r.seed)
}

// run runs a deployed program. It returns a description of how the run ended, with hashes of the
// image that it began from, of its outcome and of the memory and globals that it left. A run that
// reached its time limit has stopped at a place that depends on the machine, and has no hashes.
func (r *recorder) run(t *testing.T, p runtime.Program, args []byte) string {
	t.Helper()
	ctx, limits := context.Background(), p.Limits.WithDefaults()
	img := r.box.images.get(keyOf(p))
	if img == nil {
		t.Fatal("the program has no image")
	}
	defer img.release()
	if r.slot != nil && r.slot.reserved < classOf(int64(img.size)) {
		r.dropSlot(t)
	}
	if r.slot == nil {
		var err error
		if r.slot, err = r.box.guest.newSlot(ctx, r.box.processors, r.box.accounts, classOf(max(limits.Memory, int64(img.size)))); err != nil {
			t.Fatal(err)
		}
	}
	s, deadline := r.slot, time.Now().Add(limits.Timeout)
	s.claim = claim{ctx: ctx, deadline: deadline}
	r.box.processors.acquire(&s.claim)
	defer func() { r.box.processors.release(&s.claim) }()
	if err := s.prepare(img, p.Tenant); err != nil {
		t.Fatal(err)
	}
	before := hashMemory(s.memory.data())
	r.begin()
	outcome, usable := s.invoke(ctx, &request{
		op: opRun, inputs: [3][]byte{args, []byte("{}")}, started: s.claim.since, deadline: deadline, limits: limits,
	})
	after := hashMemory(s.memory.data())
	line := fmt.Sprintf("%s from %x left %x in %d bytes, stack %d, ticks %d", describe(outcome), before, after, outcome.Usage.Memory, s.stack.Get(), s.ticks.Get())
	if outcome.Failure != nil && outcome.Failure.Class == runtime.ClassTimeout {
		line = string(runtime.ClassTimeout)
	}
	if usable {
		_, restored, err := s.restore()
		if err != nil {
			t.Fatal(err)
		}
		usable = restored && s.image != nil
	}
	if !usable {
		r.box.processors.release(&s.claim)
		r.dropSlot(t)
	}
	return line
}

// hashMemory returns a hash of the size of a memory and of its pages that are not zero.
func hashMemory(mem []byte) []byte {
	sum := sha256.New()
	for at := 0; at < len(mem); at += pageSize {
		if page := mem[at : at+pageSize]; !bytes.Equal(page, zeroPage[:]) {
			fmt.Fprintf(sum, "%d", at)
			sum.Write(page)
		}
	}
	fmt.Fprintf(sum, "%d", len(mem))
	return sum.Sum(nil)[:8]
}

func (r *recorder) dropSlot(t *testing.T) {
	if r.slot == nil {
		return
	}
	if err := r.slot.close(); err != nil {
		t.Errorf("closing the slot: %v", err)
	}
	r.slot = nil
}

// describe returns the class of an outcome, and a hash of everything else of it but its usage.
func describe(outcome runtime.Outcome) string {
	class := "ok"
	sum := sha256.New()
	sum.Write(outcome.Result)
	if f := outcome.Failure; f != nil {
		class = string(f.Class)
		fmt.Fprintf(sum, "%+v", *f)
	}
	sum.Write(outcome.Logs.Data)
	return class + " " + hex.EncodeToString(sum.Sum(nil)[:8])
}

package sandbox

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// fills holds some MB in memory, in /tmp and in the output, and waits.
const fills = `
import time

def main(args, context):
    block = bytearray(args["memory"] << 20)
    for at in range(0, len(block), 4096):
        block[at] = 1
    with open("/tmp/x", "wb") as f:
        for _ in range(args["tmp"] << 4):
            f.write(bytes(1 << 16))
    print("y" * args["output"])
    time.sleep(args["sleep"])
    return sum(block) // 256
`

// A run that waits says what it holds: what it has written, its files and its output, and not much more.
func TestWhatAWaitingRunHolds(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, fills, runtime.Limits{})
		for _, c := range []struct {
			args  string
			bytes int64
		}{
			{`{"memory":0,"tmp":0,"output":0,"sleep":0.002}`, 0},
			{`{"memory":40,"tmp":0,"output":0,"sleep":0.002}`, 40 * runtime.MiB},
			{`{"memory":0,"tmp":20,"output":0,"sleep":0.002}`, 20 * runtime.MiB},
			{`{"memory":10,"tmp":10,"output":900000,"sleep":0.002}`, 20*runtime.MiB + 900_000},
			{`{"memory":0,"tmp":0,"output":0,"sleep":0.002}`, 0},
		} {
			r := &room{}
			outcome, err := box.Run(t.Context(), runtime.RunCall{Program: p, Args: []byte(c.args), Context: runtime.EmptyObject, Room: r})
			if err != nil || outcome.Failure != nil {
				t.Fatalf("%s: %+v, %v", c.args, outcome.Failure, err)
			}
			if len(r.held) != 1 || r.held[0] < c.bytes+runtime.MiB {
				t.Errorf("%s: it holds %d bytes, at least %d are needed", c.args, r.held, c.bytes)
			} else if most := c.bytes + 8*runtime.MiB; box.guest.mapped && r.held[0] > most {
				t.Errorf("%s: it holds %d bytes, at most %d are", c.args, r.held[0], most)
			}
		}
	})
}

// A run that waits for its memory has as much time left as before. A run whose time is up, or that
// was cancelled, ends without its memory.
func TestTimeStandsStillWithoutMemory(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, fills, runtime.Limits{Timeout: 2 * time.Second})
		places := box.processors.free
		call := func(ctx context.Context, args string, r *room) (runtime.Outcome, error) {
			return box.Run(ctx, runtime.RunCall{Program: p, Args: []byte(args), Context: runtime.EmptyObject, Room: r})
		}
		const short, long = `{"memory":1,"tmp":0,"output":0,"sleep":0.002}`, `{"memory":1,"tmp":0,"output":0,"sleep":100}`
		late := &room{reclaim: func(_ context.Context, patience time.Duration) error {
			if patience != p.Limits.Timeout {
				t.Errorf("it waits at most %v for memory", patience)
			}
			time.Sleep(p.Limits.Timeout + 100*time.Millisecond)
			return nil
		}}
		outcome, err := call(t.Context(), short, late)
		if err != nil || outcome.Failure != nil {
			t.Errorf("a run that has waited for memory ended with %+v, %v", outcome.Failure, err)
		}
		if outcome.Usage.Duration > p.Limits.Timeout {
			t.Errorf("it took %v with the wait", outcome.Usage.Duration)
		}
		refused := errors.New("no memory")
		never := &room{reclaim: func(context.Context, time.Duration) error { return refused }}
		if outcome, err := call(t.Context(), short, never); !errors.Is(err, refused) || outcome.Failure != nil || outcome.Result != nil {
			t.Errorf("a run that does not get its memory ended with %+v, %v", outcome, err)
		}
		unwanted := &room{reclaim: func(context.Context, time.Duration) error {
			t.Error("a run that is over wants its memory")
			return nil
		}}
		outcome, err = call(t.Context(), long, unwanted)
		if err != nil {
			t.Fatal(err)
		}
		checkClass(t, outcome, runtime.ClassTimeout)
		ctx, cancel := context.WithCancel(t.Context())
		waits := &room{reclaim: func(ctx context.Context, _ time.Duration) error {
			cancel()
			<-ctx.Done()
			return ctx.Err()
		}}
		if outcome, err = call(ctx, short, waits); err != nil {
			t.Fatal(err)
		}
		checkClass(t, outcome, runtime.ClassCancelled)
		settle(box)
		if box.processors.free != places {
			t.Errorf("%d permits are free, there were %d", box.processors.free, places)
		}
		result(t, box, p, short)
	})
}

// A run that sleeps often for a short time lends its memory, too: once for each millisecond.
func TestShortSleepsAddUp(t *testing.T) {
	const naps = `
import time

def main(args, context):
    for _ in range(args["naps"]):
        time.sleep(args["sleep"])
    return 1
`
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, naps, runtime.Limits{})
		for _, c := range []struct {
			args  string
			least int // number of loans
		}{
			{`{"naps":20,"sleep":0.0009}`, 9},
			{`{"naps":200,"sleep":0.00005}`, 9},
			{`{"naps":1,"sleep":0.002}`, 1},
		} {
			r := &room{}
			outcome, err := box.Run(t.Context(), runtime.RunCall{Program: p, Args: []byte(c.args), Context: runtime.EmptyObject, Room: r})
			if err != nil || outcome.Failure != nil {
				t.Fatalf("%s: %+v, %v", c.args, outcome.Failure, err)
			}
			if len(r.held) < c.least {
				t.Errorf("%s: its memory was lent %d times, want at least %d", c.args, len(r.held), c.least)
			}
		}
	})
}

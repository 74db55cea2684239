package sandbox

import (
	"context"
	"fmt"
	goruntime "runtime"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	// stormRounds is how often a storm goes through all ways to end. A leak of any of them exceeds
	// the slack.
	stormRounds = 3
	stormLines  = 4 // at once
	// mappingSlack and goroutineSlack are the numbers of mappings and goroutines that may come and
	// go for the Go runtime's own reasons.
	mappingSlack   = 24
	goroutineSlack = 2
)

// storm runs a program in every way to end, several at once.
func storm(t *testing.T, box *Sandbox, rounds int) {
	t.Helper()
	_, endings := actionNames()
	endings = append(endings, "grown")
	var wg sync.WaitGroup
	for line := range stormLines {
		wg.Go(func() {
			source := fmt.Sprintf("BALLAST = FIXED = %d\n", line*100) + actionsSource
			p := program(source, runtime.Limits{Timeout: 300 * time.Millisecond, Memory: runtime.MinMemory + int64(line%2)*64*runtime.MiB})
			p.Tenant = runtime.Tenant(fmt.Sprint("storm", line%2))
			for round := range rounds {
				for i, ending := range endings {
					args := fmt.Sprintf(`{"plan":[["files",%d],["descriptors",1],["database",3],["prints",5],["%s",7]]}`, round+10, ending)
					ctx, cancel := context.WithCancel(context.Background())
					if i%5 == 4 {
						ctx, cancel = context.WithTimeout(ctx, 10*time.Millisecond)
					}
					limits := p.Limits
					if ending == "end_endless" || ending == "end_crash" {
						limits.Timeout = runtime.MinTimeout // they may use it up
					}
					call := runtime.RunCall{Program: p, Args: []byte(args), Context: []byte("{}"), Limits: limits}
					if _, err := box.Run(ctx, call); err != nil {
						t.Errorf("%s: %v", ending, err)
					}
					cancel()
				}
				bad := program("def main(:", runtime.Limits{})
				if _, err := box.Deploy(context.Background(), bad); err != nil {
					t.Error(err)
				}
				box.Forget(p.FunctionID, p.Version)
			}
		})
	}
	wg.Wait()
}

// settledGoroutines waits until at most want goroutines are left, and returns their number.
func settledGoroutines(want int) int {
	n := goruntime.NumGoroutine()
	for range 100 {
		if n <= want {
			break
		}
		goruntime.GC()
		time.Sleep(10 * time.Millisecond)
		n = goruntime.NumGoroutine()
	}
	return n
}

// rangeSlack is far below the number of slots that the storm opens and closes.
const rangeSlack = 2

func TestNothingLeaks(t *testing.T) {
	eachBox(t, func(t *testing.T, shared *Sandbox) {
		before := processCounts(t)
		goroutines := goruntime.NumGoroutine()

		budget := memory.New(1024*runtime.MiB, nil)
		box, err := Open(context.Background(), Options{
			CacheDir: cacheDir, IdleSlots: stormLines, Memory: budget, Portable: !shared.guest.mapped,
		})
		if err != nil {
			t.Fatal(err)
		}
		rounds := stormRounds
		if !box.guest.mapped {
			rounds = 1 // copied memory lies in the Go heap and leaves no mappings behind
		}
		free := box.processors.free
		// Slots that are being closed may be the last users of images in files.
		storm(t, box, 1)
		settle(box)
		open := processCounts(t)
		storm(t, box, rounds)
		settle(box)
		after := processCounts(t)
		if grew := after.mappings - open.mappings; grew > mappingSlack {
			t.Errorf("%d more mappings after %d more rounds (%d before)", grew, rounds, open.mappings)
		}
		if after.files > open.files {
			t.Errorf("%d open files after %d more rounds, %d before", after.files, rounds, open.files)
		}
		if box.processors.free != free {
			t.Errorf("%d permits are free, there were %d", box.processors.free, free)
		}
		for s := range box.pool.idle.each() {
			// The bare image is the guest's own.
			if s.image != nil && s.image != box.guest.bare {
				if held := s.image.holders.Load(); held > int32(box.pool.idle.len()) {
					t.Errorf("a forgotten image has %d holders", held)
				}
			}
		}
		if n := box.images.order.Len(); n != 0 {
			t.Errorf("%d images are cached, all were forgotten", n)
		}
		settle(box)
		for _, h := range budget.Holders() {
			if h.Bytes != 0 && h.Name != "idle instances" {
				t.Errorf("%d bytes of %s are not given back", h.Bytes, h.Name)
			}
		}
		if err := box.Close(); err != nil {
			t.Error(err)
		}
		if err := box.Close(); err != nil {
			t.Errorf("closing again: %v", err)
		}
		if got := budget.Used(); got != 0 {
			t.Errorf("the closed box holds %d bytes", got)
		}

		end := processCounts(t)
		if end.files != before.files {
			t.Errorf("%d open files, %d at the start", end.files, before.files)
		}
		if end.images != before.images {
			t.Errorf("%d mappings of base images, %d at the start", end.images, before.images)
		}
		// Copied memories lie in the Go heap. Ranges are recognised by their size: the heap, or the
		// race detector's shadow of it, may grow to the same size.
		if box.guest.mapped && end.reserved > before.reserved+rangeSlack {
			t.Errorf("%d slots' ranges are mapped, %d at the start", end.reserved, before.reserved)
		}
		if got := settledGoroutines(goroutines + goroutineSlack); got > goroutines+goroutineSlack {
			t.Errorf("%d goroutines, %d at the start", got, goroutines)
		}
	})
}

func TestClosedSandboxRefusesCalls(t *testing.T) {
	box := openBox(t, Options{})
	p := deployed(t, box, hello, runtime.Limits{})
	endless := deployed(t, box, body("print()\nwhile True: pass"), runtime.Limits{Timeout: time.Second})
	running := make(chan runtime.Outcome)
	go func() {
		outcome, _ := box.Run(context.Background(), runtime.RunCall{Program: endless, Args: []byte("{}"), Context: []byte("{}")})
		running <- outcome
	}()
	closed := make(chan error)
	go func() { closed <- box.Close() }()
	// Close waits for the run if the run came first.
	outcome := <-running
	if outcome.Failure != nil {
		checkClass(t, outcome, runtime.ClassTimeout)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := box.Run(context.Background(), runtime.RunCall{Program: p, Args: []byte("{}"), Context: []byte("{}")}); err == nil {
		t.Error("a closed box runs")
	}
	if _, err := box.Deploy(context.Background(), p); err == nil {
		t.Error("a closed box deploys")
	}
	box.Forget(p.FunctionID, p.Version)
}

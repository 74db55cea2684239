package sandbox

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

var errBuildStopped = errors.New("the build was stopped")

// slowBuild returns a build that takes d and returns an image, and the number of builds begun and
// stopped.
func slowBuild(t *testing.T, d time.Duration) (f func(context.Context) built, begun, stopped *atomic.Int32, images *[]*image) {
	begun, stopped, images = new(atomic.Int32), new(atomic.Int32), new([]*image)
	return func(ctx context.Context) built {
		begun.Add(1)
		select {
		case <-time.After(d):
			img := testImage(t, 1)
			*images = append(*images, img)
			return built{image: img}
		case <-ctx.Done():
			time.Sleep(time.Millisecond) // until the next checkpoint
			stopped.Add(1)
			return built{err: errBuildStopped}
		}
	}, begun, stopped, images
}

func TestBuildIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b builds
		f, begun, stopped, images := slowBuild(t, time.Second)
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				if i == 0 { // the first caller leaves before the end
					ctx, cancel = context.WithTimeout(context.Background(), 500*time.Millisecond)
				}
				defer cancel()
				got, ok := b.wait(ctx, buildKey{}, f)
				if ok != (i > 0) {
					t.Errorf("caller %d: %v", i, ok)
				}
				if ok {
					got.image.release()
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		if begun.Load() != 1 || stopped.Load() != 0 || len(b.current) != 0 {
			t.Errorf("%d builds began, %d were stopped, %d are left", begun.Load(), stopped.Load(), len(b.current))
		}
		if (*images)[0].data != nil {
			t.Error("the image is still held")
		}
	})
}

func TestBuildEndsWithItsLastWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b builds
		f, begun, stopped, _ := slowBuild(t, time.Hour)
		var wg sync.WaitGroup
		start := time.Now()
		for i := range 3 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i+1)*time.Second)
				defer cancel()
				if _, ok := b.wait(ctx, buildKey{}, f); ok {
					t.Error("a build that was stopped returned a result")
				}
				if took, want := time.Since(start), time.Duration(i+1)*time.Second; took < want || took > want+time.Millisecond {
					t.Errorf("caller %d left after %v", i, took)
				}
				if last := i == 2; last != (stopped.Load() == 1) {
					t.Errorf("caller %d left, %d builds had ended", i, stopped.Load())
				}
			})
		}
		wg.Wait()
		if begun.Load() != 1 || stopped.Load() != 1 {
			t.Errorf("%d builds began, %d were stopped", begun.Load(), stopped.Load())
		}
		// Nobody joins a build that ends.
		ctx, cancel := context.WithCancel(context.Background())
		wg.Go(func() { b.wait(ctx, buildKey{}, f) })
		synctest.Wait()
		cancel()
		time.Sleep(time.Microsecond) // the build still ends
		quick, _, _, _ := slowBuild(t, time.Second)
		if got, ok := b.wait(context.Background(), buildKey{}, quick); !ok || got.err != nil {
			t.Errorf("got %+v, %v", got, ok)
		} else {
			got.image.release()
		}
		wg.Wait()
	})
}

func TestBuildThatPanics(t *testing.T) {
	var b builds
	got, ok := b.wait(context.Background(), buildKey{}, func(context.Context) built { panic("a defect") })
	if !ok || got.err == nil || !strings.Contains(got.err.Error(), "a defect") {
		t.Errorf("got %+v, %v", got, ok)
	}
}

// TestRemakingEndsWithItsRun verifies that a run whose image is missing ends at its deadline and
// when it is cancelled, and that nothing of it is left.
func TestRemakingEndsWithItsRun(t *testing.T) {
	eachBox(t, func(t *testing.T, shared *Sandbox) {
		box := openBox(t, Options{Portable: !shared.guest.mapped, Processors: 1})
		endless := "while True: pass\n" + fine
		p := program(endless, runtime.Limits{Timeout: runtime.MinTimeout})
		outcome := runInTime(t, box, p, "{}")
		checkClass(t, outcome, runtime.ClassTimeout)
		if outcome.Usage.Duration < runtime.MinTimeout {
			t.Errorf("a run that ended at its deadline was billed %v", outcome.Usage.Duration)
		}
		p = program(endless, runtime.Limits{Timeout: time.Hour})
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				outcome, err := box.Run(ctx, runtime.RunCall{Program: p, Args: []byte("{}"), Context: []byte("{}")})
				if err != nil {
					t.Error(err)
				}
				checkClass(t, outcome, runtime.ClassCancelled)
			})
		}
		for waiting := 0; waiting < 3; {
			box.builds.mu.Lock()
			for _, x := range box.builds.current {
				waiting = x.waiters
			}
			box.builds.mu.Unlock()
			time.Sleep(time.Millisecond)
		}
		cancel()
		wg.Wait()
		if len(box.builds.current) != 0 || box.processors.free != 1 {
			t.Errorf("%d builds are left, %d permits are free", len(box.builds.current), box.processors.free)
		}
	})
}

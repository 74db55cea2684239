package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/memory"
)

// TestNoStaleVersionIsRun checks that no run that begins after an update has returned uses an
// earlier version. Each name has a writer that counts up, and readers that remember what was
// acknowledged before they begin. With the small caches, versions are loaded all the time.
func TestNoStaleVersionIsRun(t *testing.T) {
	for _, cache := range []int64{1, 3 * runtime.KiB, engine.DefaultCacheBytes} {
		t.Run(fmt.Sprint("cache", cache), func(t *testing.T) {
			e := newEngine(t, engine.Options{CacheBytes: cache})
			const names, updates = 3, 60
			var wg sync.WaitGroup
			for n := range names {
				name := fmt.Sprint("name", n)
				create(t, e, spec(name, "1"))
				var acknowledged atomic.Int64
				acknowledged.Store(1)
				var done atomic.Bool
				wg.Go(func() {
					defer done.Store(true)
					for i := 2; i <= updates; i++ {
						_, err := e.UpdateFunction(context.Background(), runtime.FunctionUpdate{Tenant: tenant, Name: name, Source: []byte(strconv.Itoa(i))})
						if err != nil {
							t.Error(err)
							return
						}
						acknowledged.Store(int64(i))
					}
				})
				for range 2 {
					wg.Go(func() {
						for !done.Load() {
							atLeast := acknowledged.Load()
							x, err := run(e, name, "")
							if err != nil {
								t.Error(err)
								return
							}
							if got, _ := strconv.ParseInt(string(x.Result), 10, 64); got < atLeast || uint64(got) != x.Version {
								t.Errorf("version %d was acknowledged, then %d ran as version %d", atLeast, got, x.Version)
								return
							}
						}
					})
				}
			}
			wg.Wait()
		})
	}
}

// TestHammer creates, renames, updates, deletes and runs the same few names concurrently.
// Afterwards the sandbox holds the images of the current versions, and no more.
func TestHammer(t *testing.T) {
	box := &fakeSandbox{}
	e := newEngine(t, engine.Options{Sandbox: box, CacheBytes: 4 * runtime.KiB, Memory: memory.New(600*runtime.MiB, nil), QueueLimit: 6, MaxRuns: 3})
	expected := map[runtime.Code]bool{"": true, runtime.CodeNotFound: true, runtime.CodeAlreadyExists: true, runtime.CodeTooBusy: true}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(worker), 1))
			ctx := context.Background()
			for range 250 {
				name, other := fmt.Sprint("name", rng.IntN(4)), fmt.Sprint("name", rng.IntN(4))
				var err error
				switch rng.IntN(8) {
				case 0:
					_, err = e.CreateFunction(ctx, spec(name, `[]`))
				case 1:
					_, err = e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: name, NewName: &other})
				case 2:
					_, err = e.UpdateFunction(ctx, runtime.FunctionUpdate{Tenant: tenant, Name: name, Source: []byte(`[1]`)})
				case 3:
					_, err = remove(e, name)
				case 4:
					_, err = e.GetFunction(ctx, tenant, name)
				default:
					_, err = run(e, name, "")
				}
				if !expected[runtime.CodeOf(err)] {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	all, err := listFunctions(context.Background(), e, tenant, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	current := map[string]bool{}
	for _, f := range all {
		current[image(f.ID, f.Version)] = true
	}
	for held := range box.images {
		if !current[held] {
			t.Errorf("image %s is held, the current ones are %v", held, current)
		}
	}
}

func TestCloseWaitsForRuns(t *testing.T) {
	g := newGated()
	e := newEngine(t, engine.Options{Sandbox: &fakeSandbox{run: g.run}, MaxRuns: 1})
	create(t, e, spec("hello", "[]"))
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := run(e, "hello", ""); err != nil {
			t.Errorf("a run that had begun: %v", err)
		}
	})
	<-g.began
	refused := make(chan error)
	go func() { // waits for memory, or arrives after Close has begun
		_, err := run(e, "hello", "")
		refused <- err
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := e.Close(ctx); err != context.DeadlineExceeded {
		t.Fatalf("Close during a run: %v", err)
	}
	wantCode(t, <-refused, runtime.CodeUnavailable)
	_, err := e.CreateFunction(context.Background(), spec("other", "[]"))
	wantCode(t, err, runtime.CodeUnavailable)
	_, err = listFunctions(context.Background(), e, tenant, "", 1)
	wantCode(t, err, runtime.CodeUnavailable)
	close(g.end)
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
}

func BenchmarkRun(b *testing.B) {
	e := newEngine(b, engine.Options{})
	create(b, e, spec("hello", `"hello"`))
	r := runtime.RunRequest{Tenant: tenant, Function: "hello", Args: []byte(`{"name":"you"}`)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Run(context.Background(), r); err != nil {
			b.Fatal(err)
		}
	}
}

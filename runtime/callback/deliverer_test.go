package callback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tenant runtime.Tenant = "a"

var discard = slog.New(slog.NewTextHandler(io.Discard, nil))

// poster is a receiver: status returns the status of a post.
type poster struct {
	status func(p runtime.Post) (int, error)

	mu    sync.Mutex
	busy  map[string]int // posts under way, by URL
	most  map[string]int
	posts []runtime.Post
}

func (p *poster) Post(_ context.Context, post runtime.Post) (int, error) {
	p.mu.Lock()
	p.posts = append(p.posts, post)
	p.busy[post.URL]++
	p.most[post.URL] = max(p.most[post.URL], p.busy[post.URL])
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.busy[post.URL]--
	}()
	return p.status(post)
}

// sent returns the posts so far.
func (p *poster) sent() []runtime.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.posts)
}

// atOnce returns the largest number of posts to a URL that were under way at once.
func (p *poster) atOnce(url string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most[url]
}

func newPoster(status func(p runtime.Post) (int, error)) *poster {
	return &poster{status: status, busy: map[string]int{}, most: map[string]int{}}
}

// newStore returns a store in memory with deliveries of jobs that have ended, one to each URL.
func newStore(t *testing.T, retry int, urls ...string) *storage.Store {
	t.Helper()
	store, err := storage.Open(storage.Options{Dir: "store", FS: vfs.NewMem(), Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	j := runtime.Job{ID: runtime.NewID(), Tenant: tenant, Name: "sums", Revision: 1, Spec: runtime.JobSpec{Function: "f"}, Created: now, Updated: now}
	if err := store.CreateJob(j); err != nil {
		t.Fatal(err)
	}
	for i, url := range urls {
		x := runtime.JobExecution{
			ID: runtime.NewID(), Name: fmt.Sprint("x", i), Tenant: tenant, JobID: j.ID, Job: j.Name, Revision: 1, FunctionID: runtime.NewID(), Function: "f",
			State: runtime.StateQueued, Created: now, Updated: now, Stats: runtime.TaskCounts{Total: 1},
			Callback: &runtime.Callback{URL: url, Secret: "s3cret", Retry: retry},
		}
		tasks := x.Tasks(1, []json.RawMessage{[]byte("{}")})
		if _, _, err := store.AcceptJob(x, tasks, nil, nil); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := store.CancelJobExecution(tenant, x.ID, now); err != nil { // it ends
			t.Fatal(err)
		}
	}
	return store
}

// deliver starts a Deliverer. The returned function stops it and closes the store.
func deliver(t *testing.T, store *storage.Store, p runtime.Poster) (d *Deliverer, stop func()) {
	t.Helper()
	d = New(Options{
		Store: store, Poster: p, Now: time.Now, Log: discard,
		Body: func(x *runtime.JobExecution) ([]byte, error) { return []byte(`{"id":"` + x.ID + `"}`), nil },
	})
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	return d, func() {
		d.Stop()
		d.Abort()
		d.Wait()
		d.Wait() // again
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}

func left(t *testing.T, store *storage.Store) (n int) {
	t.Helper()
	if err := store.EachDelivery(func(runtime.Delivery) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDeliveriesOfAnEarlierProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t, 3, "https://a.example/hook", "https://b.example/hook")
		p := newPoster(func(runtime.Post) (int, error) { return 204, nil })
		_, stop := deliver(t, store, p)
		defer stop()
		synctest.Wait()
		if len(p.sent()) != 2 || left(t, store) != 0 {
			t.Errorf("%d posts, %d deliveries are left", len(p.sent()), left(t, store))
		}
	})
}

func TestFailedDeliveriesAreRetriedThenGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t, 3, "https://a.example/hook")
		p := newPoster(func(runtime.Post) (int, error) { return 500, nil })
		_, stop := deliver(t, store, p)
		defer stop()
		began := time.Now()
		for len(p.sent()) < 4 {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
		}
		// Delays of 1, 2 and 4 s, each with a jitter of up to a quarter.
		if took := time.Since(began); took < 7*time.Second || took > 9*time.Second {
			t.Errorf("4 attempts took %v", took)
		}
		letters, err := store.ListDeadLetters(tenant, "", 10)
		if err != nil || len(letters) != 1 || letters[0].Attempts != 4 || letters[0].LastStatus != 500 {
			t.Errorf("dead letters: %+v, %v", letters, err)
		}
		for _, post := range p.sent() {
			if post.Header["Idempotency-Key"] != p.sent()[0].Header["Idempotency-Key"] {
				t.Error("the attempts have different keys")
			}
		}
	})
}

// TestSlowHostsDelayNoOthers: a host that never responds holds its own places alone.
func TestSlowHostsDelayNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var urls []string
		for range 50 {
			urls = append(urls, "https://slow.example/hook")
		}
		store := newStore(t, 0, append(urls, "https://fast.example/hook")...)
		release := make(chan struct{})
		p := newPoster(func(post runtime.Post) (int, error) {
			if post.URL == "https://slow.example/hook" {
				<-release
			}
			return 200, nil
		})
		_, stop := deliver(t, store, p)
		defer stop()
		synctest.Wait()
		if p.atOnce("https://fast.example/hook") != 1 {
			t.Error("the fast host got nothing")
		}
		if got := p.atOnce("https://slow.example/hook"); got != maxPostsPerHost {
			t.Errorf("%d posts to the slow host at once, want %d", got, maxPostsPerHost)
		}
		close(release)
		synctest.Wait()
		if n := left(t, store); n != 0 {
			t.Errorf("%d deliveries are left", n)
		}
	})
}

// TestAbortedPostsAreRepeatedByTheNextProcess: an attempt that the shutdown ends is not counted.
func TestAbortedPostsAreRepeatedByTheNextProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t, 0, "https://a.example/hook")
		aborted := make(chan struct{})
		p := newPoster(func(runtime.Post) (int, error) {
			<-aborted
			return 0, errors.New("aborted")
		})
		d := New(Options{Store: store, Poster: p, Now: time.Now, Log: discard, Body: func(*runtime.JobExecution) ([]byte, error) { return []byte("{}"), nil }})
		if err := d.Start(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		d.Stop()
		d.Stop() // again
		d.Abort()
		close(aborted)
		d.Wait()
		if n := left(t, store); n != 1 {
			t.Fatalf("%d deliveries are left, want 1", n)
		}
		again := newPoster(func(runtime.Post) (int, error) { return 200, nil })
		_, stop := deliver(t, store, again)
		defer stop()
		synctest.Wait()
		if len(again.sent()) != 1 || left(t, store) != 0 {
			t.Errorf("%d posts, %d deliveries are left", len(again.sent()), left(t, store))
		}
	})
}

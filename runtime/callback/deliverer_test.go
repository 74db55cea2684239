package callback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
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
	addJob(t, store, tenant, retry, urls...)
	return store
}

// addJob stores a job whose executions have ended, with one delivery to each URL, and returns their
// ids.
func addJob(t *testing.T, store *storage.Store, tenant runtime.Tenant, retry int, urls ...string) (ids []string) {
	t.Helper()
	now := time.Now().UTC()
	j := runtime.Job{ID: runtime.NewID(), Tenant: tenant, Name: "sums-" + runtime.NewID(), Revision: 1, Spec: runtime.JobSpec{Function: "f"}, Created: now, Updated: now}
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
		ids = append(ids, x.ID)
	}
	return ids
}

// deliver starts a Deliverer. The returned function stops it and closes the store.
func deliver(t *testing.T, store interface {
	Store
	Close() error
}, p runtime.Poster,
) (d *Deliverer, stop func()) {
	t.Helper()
	d = New(Options{
		Store: store, Poster: p, Now: time.Now, Log: discard,
		Body: func(x *runtime.JobExecution, _ bool) ([]byte, error) { return []byte(`{"id":"` + x.ID + `"}`), nil },
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
		if got := p.atOnce("https://slow.example/hook"); got != maxPostsPerReceiver {
			t.Errorf("%d posts to the slow host at once, want %d", got, maxPostsPerReceiver)
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
		d := New(Options{Store: store, Poster: p, Now: time.Now, Log: discard, Body: func(*runtime.JobExecution, bool) ([]byte, error) { return []byte("{}"), nil }})
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

// blocking returns a receiver that resolves each host with resolve, holds the posts to addresses in
// slow until release is closed, and accepts the others.
func blocking(resolve func(host string) string, slow func(address string) bool, release <-chan struct{}) *poster {
	return newPoster(func(post runtime.Post) (int, error) {
		u, err := url.Parse(post.URL)
		if err != nil {
			return 0, err
		}
		address := netip.MustParseAddrPort(resolve(u.Host))
		if !post.Admit(address) {
			return 0, runtime.Errorf(runtime.CodeTooBusy, "the address is busy")
		}
		if slow(address.String()) {
			<-release
		}
		return 200, nil
	})
}

// TestSpellingsOfOneReceiver: the names of one address share the places of the address, and a
// callback that waits for one is not counted as an attempt.
func TestSpellingsOfOneReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var urls []string
		for i := range 64 {
			urls = append(urls, fmt.Sprintf("https://name%d.example:444/hook", i%16))
		}
		store := newStore(t, 0, urls...)
		addJob(t, store, tenant, 0, "https://good.example/hook")
		release := make(chan struct{})
		var mu sync.Mutex
		now, most := 0, 0
		p := blocking(func(host string) string {
			if strings.HasPrefix(host, "good") {
				return "192.0.2.2:443"
			}
			return "192.0.2.1:444"
		}, func(address string) bool { return address == "192.0.2.1:444" }, release)
		inner := p.status
		p.status = func(post runtime.Post) (int, error) {
			admit := post.Admit
			post.Admit = func(a netip.AddrPort) bool {
				ok := admit(a)
				if ok && a.Port() == 444 {
					mu.Lock()
					now++
					most = max(most, now)
					mu.Unlock()
				}
				return ok
			}
			status, err := inner(post)
			if err == nil && !strings.Contains(post.URL, "good") {
				mu.Lock()
				now--
				mu.Unlock()
			}
			return status, err
		}
		_, stop := deliver(t, store, p)
		defer stop()
		synctest.Wait()
		if p.atOnce("https://good.example/hook") != 1 {
			t.Error("the good receiver got nothing")
		}
		close(release)
		synctest.Wait()
		if most != maxPostsPerReceiver {
			t.Errorf("%d posts to one address at once, want %d", most, maxPostsPerReceiver)
		}
		if letters, err := store.ListDeadLetters(tenant, "", 100); err != nil || len(letters) != 0 || left(t, store) != 0 {
			t.Errorf("%d dead letters, %d deliveries are left, %v", len(letters), left(t, store), err)
		}
	})
}

// TestSlowReceiversLeavePlacesToQuickOnes: however many receivers do not respond, a receiver that
// was quick before gets its callbacks at once, and so does another tenant's.
func TestSlowReceiversLeavePlacesToQuickOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t, 0, "https://good.example/hook")
		release := make(chan struct{})
		p := blocking(func(host string) string {
			if n, slow := strings.CutPrefix(host, "slow"); slow {
				return "10.0.0." + strings.TrimSuffix(n, ".example") + ":443"
			}
			return "192.0.2.2:443"
		}, func(address string) bool { return strings.HasPrefix(address, "10.") }, release)
		d, stop := deliver(t, store, p)
		defer stop()
		synctest.Wait()
		var slow []string
		for i := range 100 {
			slow = append(slow, fmt.Sprintf("https://slow%d.example/hook", i))
		}
		for _, of := range []runtime.Tenant{tenant, "b", "c", "d", "e"} {
			for _, id := range addJob(t, store, of, 0, slow...) {
				d.JobDone(of, id)
			}
		}
		synctest.Wait()
		if got := len(p.sent()) - 1; got != maxPosts/2 {
			t.Errorf("%d posts to receivers that do not respond, want %d", got, maxPosts/2)
		}
		for _, id := range addJob(t, store, tenant, 0, "https://good.example/again") {
			d.JobDone(tenant, id)
		}
		synctest.Wait()
		if p.atOnce("https://good.example/again") != 1 {
			t.Error("the quick receiver got nothing")
		}
		close(release)
		synctest.Wait()
		if n := left(t, store); n != 0 {
			t.Errorf("%d deliveries are left", n)
		}
	})
}

// TestOneTenantLeavesPlacesToOthers: a tenant whose receivers do not respond holds a part of the
// places, so a receiver of another tenant that was never tried gets its callback at once.
func TestOneTenantLeavesPlacesToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow []string
		for i := range 100 {
			slow = append(slow, fmt.Sprintf("https://slow%d.example/hook", i))
		}
		store := newStore(t, 0, slow...)
		addJob(t, store, "other", 0, "https://good.example/hook")
		release := make(chan struct{})
		p := newPoster(func(post runtime.Post) (int, error) {
			if post.Tenant == tenant {
				<-release
			}
			return 200, nil
		})
		_, stop := deliver(t, store, p)
		defer stop()
		synctest.Wait()
		if got := len(p.sent()) - 1; p.atOnce("https://good.example/hook") != 1 || got != maxPostsPerTenant/2 {
			t.Errorf("the other tenant's receiver got %d posts, the slow ones %d at once", p.atOnce("https://good.example/hook"), got)
		}
		close(release)
		synctest.Wait()
	})
}

// TestBodiesAreStoredBeforeTheFirstAttempt: retention may drop the execution of a callback that
// waits; its body stays as it was at the end.
func TestBodiesAreStoredBeforeTheFirstAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var urls []string
		for range 20 {
			urls = append(urls, "https://slow.example/hook")
		}
		store := newStore(t, 0, urls...)
		release := make(chan struct{})
		p := newPoster(func(runtime.Post) (int, error) {
			<-release
			return 200, nil
		})
		_, stop := deliver(t, store, p)
		defer stop()
		synctest.Wait()
		if err := store.Expire(time.Now().Add(24*time.Hour), runtime.Retention{Age: time.Hour, Count: 1}); err != nil {
			t.Fatal(err)
		}
		if err := store.EachUnfinishedJobExecution(func(x runtime.JobExecution, _ bool) error {
			t.Errorf("%s is unfinished", x.ID)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		close(release)
		synctest.Wait()
		posts := p.sent()
		if len(posts) != len(urls) {
			t.Fatalf("%d posts, want %d", len(posts), len(urls))
		}
		for _, post := range posts {
			id := post.Header["Idempotency-Key"]
			if _, err := store.GetJobExecutionByID(tenant, id); runtime.CodeOf(err) != runtime.CodeNotFound {
				t.Errorf("retention has kept %s: %v", id, err)
			}
			if string(post.Body) != `{"id":"`+id+`"}` || post.Header["X-Blaxel-Signature"] != "sha256="+signature("s3cret", post.Body) {
				t.Errorf("%s got %q", id, post.Body)
			}
		}
	})
}

// TestNothingIsSentWithoutABody: a delivery whose execution is not stored any more becomes a dead
// letter that says so.
func TestNothingIsSentWithoutABody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t, 3)
		x := addJob(t, store, tenant, 3, "https://a.example/hook")[0]
		p := newPoster(func(runtime.Post) (int, error) { return 200, nil })
		_, stop := deliver(t, goneStore{store, x}, p)
		defer stop()
		synctest.Wait()
		letters, err := store.ListDeadLetters(tenant, "", 10)
		if err != nil || len(letters) != 1 || !strings.Contains(letters[0].LastError, "not stored any more") || letters[0].BodySize != 0 {
			t.Errorf("dead letters: %+v, %v", letters, err)
		}
		if n := len(p.sent()); n != 0 {
			t.Errorf("%d posts", n)
		}
	})
}

// goneStore is a store that has lost an execution of a job.
type goneStore struct {
	*storage.Store
	id string
}

func (s goneStore) GetJobExecutionByID(tenant runtime.Tenant, id string) (runtime.JobExecution, error) {
	if id == s.id {
		return runtime.JobExecution{}, runtime.Errorf(runtime.CodeNotFound, "it is gone")
	}
	return s.Store.GetJobExecutionByID(tenant, id)
}

// TestPendingCallbacksAreBounded: beyond the bytes that a tenant's callbacks may have bodies have no
// results, beyond their number they become dead letters.
func TestPendingCallbacksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t, 0)
		ids := addJob(t, store, tenant, 0, slices.Repeat([]string{"https://slow.example/hook"}, 20)...)
		release := make(chan struct{})
		p := newPoster(func(runtime.Post) (int, error) {
			<-release
			return 200, nil
		})
		d := New(Options{Store: store, Poster: p, Now: time.Now, Log: discard, Body: func(x *runtime.JobExecution, results bool) ([]byte, error) {
			if results {
				return []byte(`{"results":[0,1,2,3,4,5,6,7,8,9]}`), nil
			}
			return []byte(`{}`), nil
		}})
		d.maxPending, d.maxPendingBytes = 15, 200
		if err := d.Start(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		bytes, bodies := 0, 0
		if err := store.EachDelivery(func(x runtime.Delivery) error {
			bytes += x.BodySize
			bodies++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		letters, err := store.ListDeadLetters(tenant, "", 100)
		if err != nil || bodies > 15 || bodies <= 15-maxRenders || bodies+len(letters) != len(ids) || bytes > 200+maxRenders*33+15*2 || bytes < 200 {
			t.Errorf("%d callbacks with %d bytes wait, of %d; %d dead letters, %v", bodies, bytes, len(ids), len(letters), err)
		}
		close(release)
		synctest.Wait()
		if len(d.plan.usage) != 0 || len(d.plan.known) != 0 || len(d.plan.busy) != 0 || len(d.plan.byTenant) != 0 || len(d.plan.held) != 0 {
			t.Errorf("left over: %+v", d.plan)
		}
		d.Stop()
		d.Wait()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAddressesOfURLs(t *testing.T) {
	for text, want := range map[string]string{
		"http://Example.COM/a":               "example.com:80",
		"https://example.com.:443/b?c":       "example.com:443",
		"https://example.com":                "example.com:443",
		"http://user@example.com:0080":       "example.com:80",
		"http://[::ffff:127.0.0.1]:8080":     "127.0.0.1:8080",
		"http://127.0.0.1:8080/":             "127.0.0.1:8080",
		"http://[2001:DB8:0::1]/":            "[2001:db8::1]:80",
		"http://example.com:99999999999999/": "example.com:99999999999999",
		"http://%zz":                         "",
	} {
		if got := addressOf(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// slowStore is a store whose disk does not sync for a while: lookups block, then fail. It refuses
// bodies.
type slowStore struct {
	*storage.Store
	release chan struct{} // lookups wait for it; nil: they do not wait
	bodies  bool          // they are stored

	mu    sync.Mutex
	fails int // lookups that fail from now on
}

func (s *slowStore) GetDelivery(tenant runtime.Tenant, id string) (runtime.Delivery, error) {
	if s.release != nil {
		<-s.release
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails > 0 {
		s.fails--
		return runtime.Delivery{}, runtime.Errorf(runtime.CodeUnavailable, "the disk does not sync")
	}
	return s.Store.GetDelivery(tenant, id)
}

func (s *slowStore) SaveAttempt(d runtime.Delivery) error {
	if len(d.Body) > 0 && !s.bodies {
		return runtime.Errorf(runtime.CodeUnavailable, "the disk is full")
	}
	return s.Store.SaveAttempt(d)
}

// TestLookupsThatFailAreRepeated checks that the end of an execution of a job does not wait while the
// disk does not sync, and that the callbacks are delivered later, also if there are more than are
// remembered.
func TestLookupsThatFailAreRepeated(t *testing.T) {
	for _, others := range []int{0, maxLookups} {
		synctest.Test(t, func(t *testing.T) {
			store := &slowStore{Store: newStore(t, 3), release: make(chan struct{}), bodies: true, fails: 5}
			p := newPoster(func(runtime.Post) (int, error) { return 200, nil })
			d, stop := deliver(t, store, p)
			defer stop()
			ids := addJob(t, store.Store, tenant, 3, "https://a.example/hook", "https://b.example/hook")
			for range others {
				d.JobDone(tenant, runtime.NewID())
			}
			for _, id := range ids {
				d.JobDone(tenant, id) // returns although the store does not
			}
			close(store.release)
			time.Sleep(10 * time.Minute)
			if n := len(p.sent()); n != len(ids) || left(t, store.Store) != 0 {
				t.Errorf("beside %d others, %d posts of %d, %d deliveries are left", others, n, len(ids), left(t, store.Store))
			}
		})
	}
}

// TestLookupsEndWithTheDeliverer stops while a lookup is to be repeated.
func TestLookupsEndWithTheDeliverer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{Store: newStore(t, 3), fails: 1 << 30}
		p := newPoster(func(runtime.Post) (int, error) { return 200, nil })
		d, stop := deliver(t, store, p)
		d.JobDone(tenant, addJob(t, store.Store, tenant, 3, "https://a.example/hook")[0])
		time.Sleep(time.Minute)
		stop()
		time.Sleep(time.Hour)
		if n := len(p.sent()); n != 0 {
			t.Errorf("%d posts", n)
		}
	})
}

// TestBodiesThatTheStoreRefuses: after the last attempt to store its body, a delivery becomes a dead
// letter without one, so that retention waits no longer. It can be driven again.
func TestBodiesThatTheStoreRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{Store: newStore(t, 3, "https://a.example/hook")}
		p := newPoster(func(runtime.Post) (int, error) { return 200, nil })
		d, stop := deliver(t, store, p)
		defer stop()
		time.Sleep(50 * time.Minute)
		letters, err := store.ListDeadLetters(tenant, "", 10)
		if err != nil || len(letters) != 1 || !strings.Contains(letters[0].LastError, "could not be stored") || letters[0].BodySize != 0 {
			t.Fatalf("dead letters: %+v, %v", letters, err)
		}
		if n := len(p.sent()); n != 0 || left(t, store.Store) != 0 {
			t.Errorf("%d posts, %d deliveries are left", n, left(t, store.Store))
		}
		store.bodies = true
		driven, err := store.RedriveDeadLetters(tenant, []string{letters[0].ID}, 1)
		if err != nil || len(driven) != 1 {
			t.Fatalf("%+v, %v", driven, err)
		}
		d.Add(driven[0])
		synctest.Wait()
		if n := len(p.sent()); n != 1 {
			t.Errorf("driven again, %d posts", n)
		}
	})
}

//go:build linux

package customers

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/process"
)

// Load is a group of customers of servers that are killed again and again.
type Load struct {
	// Late says that requests without an answer may take effect later, because the server that has them lives on.
	Late bool

	*ledger
	stopping chan struct{} // closed to stop the customers
	dead     chan struct{} // closed when there will be no further server
	n        atomic.Int64  // last argument n, each is unique
	keys     atomic.Int64  // last idempotency key, each is unique
	group    sync.WaitGroup
	probes   uint64 // number of customers of Probe

	up struct {
		sync.Mutex
		changed chan struct{} // closed when servers changes
		servers []*process.Client
	}

	used struct { // answered requests that may be sent again
		sync.Mutex
		all []keyed
	}
}

// keyed is a request with an idempotency key, and its answer.
type keyed struct{ path, body, key, answer string }

// New returns a load that has not started. It ends with the test.
func New(t *testing.T) *Load {
	l := &Load{ledger: newLedger(), stopping: make(chan struct{}), dead: make(chan struct{})}
	l.up.changed = make(chan struct{})
	t.Cleanup(func() {
		close(l.dead)
		l.group.Wait()
	})
	return l
}

// Deploy creates what the customers use.
func (l *Load) Deploy(t *testing.T, server *process.Client) {
	t.Helper()
	for name, code := range map[string]string{
		"echo": process.EchoCode, "echo-once": process.EchoCode, "now": process.EchoCode, "nap": NapCode, "nap-once": NapCode, "raise": RaiseCode, "raise-once": RaiseCode,
		"task": taskCode,
	} {
		server.Deploy(t, name, code)
	}
	server.Must(t, "POST", "/v0/jobs", fmt.Sprintf(`{"metadata":{"name":"squares"},"spec":{"function":"task","runtime":{"maxRetries":%d,"maxConcurrentTasks":8}}}`, taskRetries))
}

// TurnTo sets the servers of the customers. Without one, they wait.
func (l *Load) TurnTo(servers ...*process.Client) {
	l.up.Lock()
	defer l.up.Unlock()
	close(l.up.changed)
	l.up.changed = make(chan struct{})
	l.up.servers = servers
}

// servers waits until there is a server and returns all. Once there will be no further server, it ends the
// goroutine.
func (l *Load) servers() []*process.Client {
	for {
		select {
		case <-l.dead:
			goruntime.Goexit()
		default:
		}
		l.up.Lock()
		servers, changed := l.up.servers, l.up.changed
		l.up.Unlock()
		if len(servers) > 0 {
			return servers
		}
		select {
		case <-changed:
		case <-l.dead:
		}
	}
}

// Start starts the customers.
func (l *Load) Start(seed uint64) {
	number := uint64(0)
	for _, kind := range []struct {
		many int
		step func(*customer)
		rest time.Duration // largest pause between two steps
	}{
		{3, (*customer).submitOne, 10 * time.Millisecond},
		{2, (*customer).submitMany, 100 * time.Millisecond},
		{2, (*customer).runAndWait, 10 * time.Millisecond},
		{2, (*customer).cancelOne, 10 * time.Millisecond},
		{3, (*customer).changeOwn, 20 * time.Millisecond},
		{2, (*customer).look, 10 * time.Millisecond},
		{1, (*customer).follow, 10 * time.Millisecond},
		{1, (*customer).sendAgain, 10 * time.Millisecond},
		{1, (*customer).useJob, 50 * time.Millisecond},
		{2, (*customer).updateAndRun, 50 * time.Millisecond},
	} {
		for range kind.many {
			number++
			c := &customer{Load: l, number: number, rng: rand.New(rand.NewPCG(seed, number))}
			l.group.Go(func() {
				for c.rest(kind.rest) {
					kind.step(c)
				}
			})
		}
	}
}

// Stop stops the customers, once each of them has the answer that it waits for.
func (l *Load) Stop() {
	close(l.stopping)
	l.group.Wait()
}

// Probe lets further customers send one request each to a server that is cut off or stands still. It returns a function
// that waits for their answers, which come when the server is back.
func (l *Load) Probe(seed uint64, server *process.Client) (wait func()) {
	const each = 10
	var group sync.WaitGroup
	for _, step := range []func(*customer){(*customer).look, (*customer).submitOne, (*customer).cancelOne, (*customer).runAndWait} {
		for range each {
			l.probes++
			c := &customer{Load: l, number: l.probes, rng: rand.New(rand.NewPCG(seed, l.probes)), only: server}
			group.Go(func() {
				step(c)
				c.Happened("requests to servers that were cut off or stood still")
			})
		}
	}
	return group.Wait
}

// customer is a client that sends one request after the other.
type customer struct {
	*Load
	number uint64
	rng    *rand.Rand
	own    ownFunction
	owns   int // number of own functions before
	bulk   bulkFunction
	mark   int             // of the function that updateAndRun changes
	only   *process.Client // the server of all requests; nil: one of the load's
}

// server returns one of the servers.
func (c *customer) server() *process.Client {
	if c.only != nil {
		return c.only
	}
	servers := c.servers()
	return servers[c.rng.IntN(len(servers))]
}

// rest pauses, and reports whether the customer should continue.
func (c *customer) rest(most time.Duration) bool {
	select {
	case <-time.After(time.Duration(c.rng.Int64N(int64(most)))):
		return true
	case <-c.stopping:
		return false
	case <-c.dead:
		return false
	}
}

func (c *customer) chance(percent int) bool { return c.rng.IntN(100) < percent }

// answerTime bounds the time for which a customer waits for an answer. It is longer than a server stands still.
const answerTime = 12 * time.Second

// try sends a request once. ok is false if the answer was lost or the server is too busy.
func (c *customer) try(method, path, body string, headers ...string) (r process.Reply, ok bool) {
	return c.tryAt(c.server(), method, path, body, headers...)
}

func (c *customer) tryAt(server *process.Client, method, path, body string, headers ...string) (r process.Reply, ok bool) {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	tick := c.now()
	r, err := server.Do(ctx, method, path, body, headers...)
	ok = err == nil && !refused(r.Status)
	if i := slices.Index(headers, "Idempotency-Key"); i >= 0 {
		c.usedKey(headers[i+1], tick, r, ok)
	}
	return r, ok
}

// refused reports whether a status says that nothing was done, and the request may be sent again. A server that stood still has not
// read it in time.
func refused(status int) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}

// insist sends a request until it has an answer.
func (c *customer) insist(method, path, body string, headers ...string) process.Reply {
	for {
		if r, ok := c.try(method, path, body, headers...); ok {
			return r
		}
		time.Sleep(5 * time.Millisecond) // the server is dying
	}
}

// taken decodes the answer to a request that must succeed.
func (c *customer) taken(r process.Reply, method, path string, into any) bool {
	if r.Status != http.StatusOK {
		c.wrong("%s %s was answered with %d %s", method, path, r.Status, r.Body)
		return false
	}
	if err := json.Unmarshal(r.Body, into); err != nil {
		c.wrong("%s %s was answered with %s", method, path, r.Body)
		return false
	}
	return true
}

// key returns a new idempotency key.
func (c *customer) key() string { return fmt.Sprintf("key %d", c.keys.Add(1)) }

// remember stores an answered request, to be sent again.
func (c *customer) remember(k keyed) {
	c.used.Lock()
	defer c.used.Unlock()
	c.used.all = append(c.used.all, k)
}

// sendAgain repeats an answered request, possibly of an earlier life, and expects the same answer.
// Another request with its key must be refused as a conflict.
func (c *customer) sendAgain() {
	c.used.Lock()
	n := len(c.used.all)
	if n == 0 {
		c.used.Unlock()
		return
	}
	k := c.used.all[c.rng.IntN(n)]
	c.used.Unlock()
	if c.chance(20) {
		r, ok := c.try("POST", k.path, `{"n":-1}`, "Idempotency-Key", k.key)
		// A body that is not an array is refused before the key is checked.
		if ok && r.Status != http.StatusConflict && r.Status != http.StatusBadRequest {
			c.wrong("another request with a used key was answered with %d %s", r.Status, r.Body)
		}
		return
	}
	r, ok := c.try("POST", k.path, k.body, "Idempotency-Key", k.key)
	if ok && (r.Status != http.StatusOK || string(r.Body) != k.answer || !r.Replayed()) {
		c.wrong("the request with %s was answered with %s, now with %d %s, replayed: %v", k.key, k.answer, r.Status, r.Body, r.Replayed())
	}
	if ok {
		c.Happened("requests sent again")
	}
}

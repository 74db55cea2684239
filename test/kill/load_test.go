//go:build linux

package kill

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/process"
)

// load is a group of customers of servers that are killed again and again.
type load struct {
	*ledger
	stopping chan struct{} // closed to stop the customers
	dead     chan struct{} // closed when there will be no further server
	n        atomic.Int64  // last argument n, each is unique
	keys     atomic.Int64  // last idempotency key, each is unique
	group    sync.WaitGroup

	up struct {
		sync.Mutex
		changed chan struct{}   // closed when server changes
		server  *process.Server // nil between two servers
	}

	used struct { // answered requests that may be sent again
		sync.Mutex
		all []keyed
	}
}

// keyed is a request with an idempotency key, and its answer.
type keyed struct{ path, body, key, answer string }

func newLoad(t *testing.T) *load {
	l := &load{ledger: newLedger(), stopping: make(chan struct{}), dead: make(chan struct{})}
	l.up.changed = make(chan struct{})
	t.Cleanup(func() {
		close(l.dead)
		l.group.Wait()
	})
	return l
}

// turnTo sets the server of the customers, nil for none.
func (l *load) turnTo(server *process.Server) {
	l.up.Lock()
	defer l.up.Unlock()
	close(l.up.changed)
	l.up.changed = make(chan struct{})
	l.up.server = server
}

// server waits for a server and returns it. Once there will be no further server, it ends the
// goroutine.
func (l *load) server() *process.Server {
	for {
		select {
		case <-l.dead:
			goruntime.Goexit()
		default:
		}
		l.up.Lock()
		server, changed := l.up.server, l.up.changed
		l.up.Unlock()
		if server != nil {
			return server
		}
		select {
		case <-changed:
		case <-l.dead:
		}
	}
}

// start starts the customers.
func (l *load) start(seed uint64) {
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
	} {
		for range kind.many {
			number++
			c := &customer{load: l, number: number, rng: rand.New(rand.NewPCG(seed, number))}
			l.group.Go(func() {
				for c.rest(kind.rest) {
					kind.step(c)
				}
			})
		}
	}
}

// stop stops the customers, once each of them has the answer that it waits for.
func (l *load) stop() {
	close(l.stopping)
	l.group.Wait()
}

// customer is a client that sends one request after the other.
type customer struct {
	*load
	number uint64
	rng    *rand.Rand
	own    ownFunction
	bulk   bulkFunction
}

// rest pauses, and reports whether the customer should continue.
func (c *customer) rest(most time.Duration) bool {
	select {
	case <-time.After(time.Duration(c.rng.Int64N(int64(most)))):
		return true
	case <-c.stopping:
		return false
	}
}

func (c *customer) chance(percent int) bool { return c.rng.IntN(100) < percent }

// try sends a request once. ok is false if the answer was lost or the server is too busy.
func (c *customer) try(method, path, body string, headers ...string) (r process.Reply, ok bool) {
	r, err := c.server().Do(context.Background(), method, path, body, headers...)
	return r, err == nil && r.Status != http.StatusServiceUnavailable && r.Status != http.StatusTooManyRequests
}

// insist sends a request until it has an answer.
func (c *customer) insist(method, path, body string, headers ...string) process.Reply {
	for {
		if r, ok := c.try(method, path, body, headers...); ok {
			return r
		}
		time.Sleep(time.Millisecond) // the server is dying
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
		c.happened("requests sent again")
	}
}

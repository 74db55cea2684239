package web

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// hangUpPeriod is the time between two looks at whether clients have hung up.
const hangUpPeriod = 500 * time.Millisecond

// Hangups looks for clients that have hung up while others work for them. The zero value is ready to use. Its
// methods may be called concurrently.
type Hangups struct {
	// Patience is how long a client must look as if it had hung up. It is set before the first Watch.
	Patience time.Duration

	mu       sync.Mutex
	all      map[*hangup]struct{}
	watching bool
}

// hangup is a client that is watched.
type hangup struct {
	client interface{ Gone() bool }
	end    func()
	since  time.Time // when it was found to be gone first, of look; zero: it is there
}

// Watch calls end when a client has hung up, unless leave is called before.
func (h *Hangups) Watch(client interface{ Gone() bool }, end func()) (leave func()) {
	one := &hangup{client: client, end: end}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = make(map[*hangup]struct{})
	}
	h.all[one] = struct{}{}
	if !h.watching {
		h.watching = true
		time.AfterFunc(hangUpPeriod, h.look)
	}
	return func() { h.leave(one) }
}

// leave forgets a client, and reports whether it was watched.
func (h *Hangups) leave(one *hangup) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, watched := h.all[one]
	delete(h.all, one)
	return watched
}

// look looks at all clients, again and again while there is any. It holds no lock while it asks the kernel.
func (h *Hangups) look() {
	h.mu.Lock()
	all := slices.Collect(maps.Keys(h.all))
	h.mu.Unlock()
	now := time.Now()
	for _, one := range all {
		switch {
		case !one.client.Gone():
			one.since = time.Time{}
			continue
		case one.since.IsZero():
			one.since = now
		}
		if now.Sub(one.since) >= h.Patience && h.leave(one) {
			one.end()
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watching = len(h.all) > 0; h.watching {
		time.AfterFunc(hangUpPeriod, h.look)
	}
}

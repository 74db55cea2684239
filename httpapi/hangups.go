package httpapi

import (
	"sync"
	"time"
)

const (
	// hangUpLook is the time between two looks at whether clients of forwarded requests have hung up, and hangUpTime that
	// after which their requests end. A client that only sends nothing more looks like one that has.
	hangUpLook = 500 * time.Millisecond
	hangUpTime = 2 * time.Second
)

// hangups looks for clients that have hung up while their requests are forwarded.
type hangups struct {
	mu       sync.Mutex
	all      map[*conn]*hangup
	watching bool
}

type hangup struct {
	end   func()
	since time.Time // zero: the client is there
}

// watch calls end when the client of a connection has hung up, until leave is called.
func (h *hangups) watch(c *conn, end func()) (leave func()) {
	one := &hangup{end: end}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = make(map[*conn]*hangup)
	}
	h.all[c] = one
	if !h.watching {
		h.watching = true
		time.AfterFunc(hangUpLook, h.look)
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.all[c] == one {
			delete(h.all, c)
		}
	}
}

// look looks at all clients, again and again while there is any.
func (h *hangups) look() {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for c, one := range h.all {
		switch {
		case !c.Gone():
			one.since = time.Time{}
		case one.since.IsZero():
			one.since = now
		case now.Sub(one.since) >= hangUpTime:
			one.end()
			delete(h.all, c)
		}
	}
	if h.watching = len(h.all) > 0; h.watching {
		time.AfterFunc(hangUpLook, h.look)
	}
}

// Package notify wakes goroutines: [Hub] those that wait for an event of one of many
// things, [Signal] the one goroutine that serves a state.
package notify

import "sync"

// Hub lets goroutines wait for the next event of a thing with an id, such as the end of an
// execution. Ids without a waiting goroutine take no memory. All methods may be called
// concurrently.
type Hub struct {
	mu    sync.Mutex
	waits map[string]*wait
}

type wait struct {
	waiting  int
	happened chan struct{}
}

// NewHub returns a Hub.
func NewHub() *Hub { return &Hub{waits: make(map[string]*wait)} }

// Wait returns a channel that is closed at the first [Hub.Notify] of the id after this call.
// The caller must call leave when it stops waiting.
func (h *Hub) Wait(id string) (happened <-chan struct{}, leave func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.waits[id]
	if w == nil {
		w = &wait{happened: make(chan struct{})}
		h.waits[id] = w
	}
	w.waiting++
	return w.happened, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if w.waiting--; w.waiting == 0 && h.waits[id] == w {
			delete(h.waits, id)
		}
	}
}

// Notify wakes the goroutines that wait for the id.
func (h *Hub) Notify(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w := h.waits[id]; w != nil {
		close(w.happened)
		delete(h.waits, id)
	}
}

// Signal notifies one goroutine that a state has changed. It holds at most one pending wake-up, so
// the sender never blocks and the receiver reads the state again after each receive.
type Signal chan struct{}

// NewSignal returns a Signal.
func NewSignal() Signal { return make(Signal, 1) }

// Set wakes the receiver, now or at its next receive.
func (s Signal) Set() {
	select {
	case s <- struct{}{}:
	default:
	}
}

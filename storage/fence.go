package storage

import (
	"sync"

	"github.com/faaspot/faaspot/storage/internal/keys"
)

// expiryFence keeps apart what drops executions and what writes them. Which records
// an old execution has is found out before they are dropped, so nothing as old
// may appear in between; what is newer is not held up.
type expiryFence struct {
	dropping sync.Mutex // held by the one who drops

	mu      sync.RWMutex // read-held while a record of an execution that is done is written
	oldest  keys.ID      // what is before it is being dropped
	dropped chan struct{}
}

// pass returns when executions from oldest on may be written, and until leave is
// called.
func (h *expiryFence) pass(oldest keys.ID) (leave func()) {
	for {
		h.mu.RLock()
		if !oldest.Before(h.oldest) {
			return h.mu.RUnlock
		}
		dropped := h.dropped
		h.mu.RUnlock()
		<-dropped
	}
}

// drop calls do while nothing before oldest is written.
func (h *expiryFence) drop(oldest keys.ID, do func() error) error {
	h.dropping.Lock()
	defer h.dropping.Unlock()
	dropped := make(chan struct{})
	h.set(oldest, dropped)
	defer close(dropped)
	defer h.set(keys.ID{}, nil)
	return do()
}

func (h *expiryFence) set(oldest keys.ID, dropped chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.oldest, h.dropped = oldest, dropped
}

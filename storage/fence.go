package storage

import (
	"sync"

	"github.com/faaspot/faaspot/storage/internal/keys"
)

// expiryFence separates the drop of executions from writes of executions. Expire finds out which
// records old executions have before it drops them, so no execution of that age may be written in
// between. Writes of newer executions do not wait.
type expiryFence struct {
	dropping sync.Mutex // held during a drop

	mu      sync.RWMutex // read-held while a record of an execution that is done is written
	oldest  keys.ID      // executions before it are being dropped
	dropped chan struct{}
}

// pass returns when executions from oldest on may be written. They may be written until the caller
// calls leave.
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

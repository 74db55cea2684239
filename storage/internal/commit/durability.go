package commit

import (
	"slices"
	"sync"
	"time"
)

// durability knows which commits can be read already, but may not be on disk yet.
type durability struct {
	mu      sync.Mutex
	last    uint64        // the number of the latest commit that has begun
	open    []uint64      // the commits that are not durable yet, oldest first
	changed chan struct{} // closed when the oldest open commit ends; nil: nothing waits for it
}

func newDurability() *durability { return &durability{} }

// begin is called before a commit can be read, and returns its number; end is called with the
// number when the commit is durable.
func (d *durability) begin() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last++
	d.open = append(d.open, d.last)
	return d.last
}

func (d *durability) end(number uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(d.open, number)
	d.open = slices.Delete(d.open, i, i+1)
	if i == 0 && d.changed != nil {
		close(d.changed)
		d.changed = nil
	}
}

// begun returns the number of the latest commit that can have been read.
func (d *durability) begun() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// pending returns a channel that is closed when the oldest open commit ends, nil if all commits up
// to a number are durable.
func (d *durability) pending(number uint64) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.open) == 0 || d.open[0] > number {
		return nil
	}
	if d.changed == nil {
		d.changed = make(chan struct{})
	}
	return d.changed
}

// wait returns true when all commits up to a number are durable, false after patience.
func (d *durability) wait(number uint64, patience time.Duration) bool {
	changed := d.pending(number)
	if changed == nil {
		return true
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for changed != nil {
		select {
		case <-changed:
			changed = d.pending(number)
		case <-timer.C:
			return false
		}
	}
	return true
}

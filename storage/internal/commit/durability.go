package commit

import (
	"slices"
	"sync"
)

// durability knows which commits can be read already, but may not be on disk yet.
type durability struct {
	mu    sync.Mutex
	ended sync.Cond // signals the end of the oldest open commit; L is mu
	last  uint64    // the number of the latest commit that has begun
	open  []uint64  // the commits that are not durable yet, oldest first
}

func newDurability() *durability {
	d := &durability{}
	d.ended.L = &d.mu
	return d
}

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
	if i == 0 {
		d.ended.Broadcast()
	}
}

// begun returns the number of the latest commit that can have been read.
func (d *durability) begun() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// wait returns when all commits up to a number are durable.
func (d *durability) wait(number uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.open) > 0 && d.open[0] <= number {
		d.ended.Wait()
	}
}

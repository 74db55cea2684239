package storage

import (
	"slices"
	"sync"
)

// syncing knows which commits may be seen already, but may not be on disk yet.
type syncing struct {
	mu    sync.Mutex
	ended sync.Cond // the oldest has ended; L is mu
	last  uint64    // the number of the commit that began last
	open  []uint64  // those under way, oldest first
}

// begin is called before a commit can be seen, end with what it gave when it is
// durable.
func (s *syncing) begin() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	s.open = append(s.open, s.last)
	return s.last
}

func (s *syncing) end(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.open, number)
	s.open = slices.Delete(s.open, i, i+1)
	if i == 0 {
		s.ended.Broadcast()
	}
}

// begun is the number of the last commit that a reader who asks now can have
// seen.
func (s *syncing) begun() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// wait returns when all commits up to a number are durable.
func (s *syncing) wait(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.open) > 0 && s.open[0] <= number {
		s.ended.Wait()
	}
}

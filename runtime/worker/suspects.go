package worker

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// suspectLosses is the number of workers that must have ended during runs of a function before it gets
	// a worker of its own.
	suspectLosses = 2
	// suspectTime is the time after which the loss of a worker does not count any more.
	suspectTime = 10 * time.Minute
	// maxSuspects bounds the functions that are remembered.
	maxSuspects = 4096
)

// suspects are the functions that ran when workers ended. One that did so twice gets a worker of its
// own, so that others do not suffer from it any more; if it was not the cause, nothing happens there.
// There are few such workers: the functions with the most losses get them.
type suspects struct {
	places int
	now    func() time.Time

	any atomic.Bool // some function is isolated

	mu        sync.Mutex
	functions map[string]*suspect
	isolates  map[string]bool
}

// suspect is a function that ran when a worker ended.
type suspect struct {
	losses int
	latest time.Time
	worker *peer // that ended last
}

// note notes that a worker ended during a run of a function. Further runs in that worker do not count.
func (s *suspects) note(function string, worker *peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.functions[function]
	if f != nil && f.worker == worker {
		return
	}
	now := s.now()
	if f == nil || now.Sub(f.latest) > suspectTime {
		if len(s.functions) >= maxSuspects {
			s.expire(now, 1)
		}
		f = &suspect{}
		if s.functions == nil {
			s.functions = make(map[string]*suspect)
		}
		s.functions[function] = f
	}
	f.losses++
	f.latest, f.worker = now, worker
	s.choose(now)
}

// isolated reports whether the runs of a function get a worker of their own.
func (s *suspects) isolated(function string) bool {
	if !s.any.Load() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isolates[function] {
		return false
	}
	if now := s.now(); now.Sub(s.functions[function].latest) > suspectTime {
		s.choose(now)
		return false
	}
	return true
}

// choose decides which functions are isolated. It is called with mu held.
func (s *suspects) choose(now time.Time) {
	s.expire(now, 0)
	var found []string
	for name, f := range s.functions {
		if f.losses >= suspectLosses {
			found = append(found, name)
		}
	}
	slices.SortFunc(found, func(a, b string) int {
		return cmp.Or(cmp.Compare(s.functions[b].losses, s.functions[a].losses), cmp.Compare(a, b))
	})
	s.isolates = make(map[string]bool)
	for _, name := range found[:min(len(found), s.places)] {
		s.isolates[name] = true
	}
	s.any.Store(len(s.isolates) > 0)
}

// expire forgets the functions whose losses do not count any more, and at least some, the oldest first.
// It is called with mu held.
func (s *suspects) expire(now time.Time, least int) {
	var oldest string
	for name, f := range s.functions {
		switch {
		case now.Sub(f.latest) > suspectTime:
			delete(s.functions, name)
			least--
		case oldest == "" || f.latest.Before(s.functions[oldest].latest):
			oldest = name
		}
	}
	if least > 0 {
		delete(s.functions, oldest)
	}
}

package worker

import (
	"cmp"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// functionLosses is the number of workers that must have ended during runs of a function before it gets
	// a worker of its own, and tenantLosses the same for a tenant, who may have many functions.
	functionLosses = 2
	tenantLosses   = 4
	// suspectTime is the time after which the loss of a worker does not count any more.
	suspectTime = 10 * time.Minute
	// maxSuspects bounds the functions, and the tenants, that are remembered.
	maxSuspects = 4096
)

// suspects are the functions, or the tenants, with runs in workers that ended. One with a number of them
// gets a worker of its own, so that others do not suffer from it any more; if it was not the cause, nothing
// happens there. There are few such workers: those with the most losses get them.
type suspects struct {
	places int
	losses int // from which on one is isolated
	now    func() time.Time

	any atomic.Bool // some are isolated

	mu       sync.Mutex
	byName   map[string]*suspect
	isolates map[string]bool
	swept    time.Time // when all were last looked at
}

// suspect is a function or a tenant that had runs in a worker that ended.
type suspect struct {
	losses int
	latest time.Time
	worker uint64 // number of the worker that ended last
}

// note notes that a worker ended during a run. Further runs in that worker do not count.
func (s *suspects) note(name string, worker uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, f := s.now(), s.byName[name]
	if f != nil && f.worker == worker {
		return
	}
	if f == nil {
		s.makeRoom(now)
		f = &suspect{}
		if s.byName == nil {
			s.byName, s.isolates = make(map[string]*suspect), make(map[string]bool)
		}
		s.byName[name] = f
	}
	if f.expired(now) {
		f.losses = 0
	}
	f.losses++
	f.latest, f.worker = now, worker
	if f.losses >= s.losses {
		s.isolate(name, f.losses)
	}
	s.any.Store(len(s.isolates) > 0)
}

func (f *suspect) expired(now time.Time) bool { return now.Sub(f.latest) > suspectTime }

// isolated reports whether the runs of a function or a tenant get a worker of their own.
func (s *suspects) isolated(name string) bool {
	if !s.any.Load() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isolates[name] && s.byName[name].expired(s.now()) {
		s.forget(name)
	}
	return s.isolates[name]
}

// The methods below are called with mu held.

// isolate isolates one, in place of the one with the fewest losses if there is no place.
func (s *suspects) isolate(name string, losses int) {
	if s.isolates[name] {
		return
	}
	if len(s.isolates) >= s.places {
		fewest := ""
		for other := range s.isolates {
			if fewest == "" || cmp.Or(cmp.Compare(s.byName[other].losses, s.byName[fewest].losses), cmp.Compare(fewest, other)) < 0 {
				fewest = other
			}
		}
		if fewest == "" || s.byName[fewest].losses >= losses {
			return
		}
		delete(s.isolates, fewest)
	}
	s.isolates[name] = true
}

// makeRoom lets one more be remembered: it forgets those whose losses do not count any more, at times,
// or any one.
func (s *suspects) makeRoom(now time.Time) {
	if len(s.byName) < maxSuspects {
		return
	}
	if now.Sub(s.swept) > suspectTime/10 {
		s.swept = now
		for name, f := range s.byName {
			if f.expired(now) {
				s.forget(name)
			}
		}
	}
	for name := range s.byName {
		if len(s.byName) < maxSuspects {
			return
		}
		if !s.isolates[name] {
			s.forget(name)
		}
	}
}

func (s *suspects) forget(name string) {
	delete(s.byName, name)
	delete(s.isolates, name)
	s.any.Store(len(s.isolates) > 0)
}

package worker

import (
	"bytes"
	"container/list"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// maxPrograms bounds the programs that a worker knows, in bytes with their contexts.
const maxPrograms = 32 * runtime.MiB

// programOverhead is what a program takes beside its source and its context, in bytes.
const programOverhead = runtime.KiB

// programs are those that a worker knows. It gets each once, with its context, and forgets the least
// recently used ones, with their images.
type programs struct {
	conn    *conn
	account *memory.Account // what the server keeps of them

	mu      sync.Mutex
	last    uint64 // number of the latest one
	byKey   map[programKey]*program
	order   list.List // of *program, the most recently used first
	bytes   int64
	tenants tenants
	closed  bool
}

type programKey struct {
	function string
	version  uint64
}

// program is what a worker knows of a program.
type program struct {
	key     programKey
	tenant  runtime.Tenant
	number  uint64
	context []byte // nil: it does not know it
	bytes   int64
	uses    int
	settled bool // the worker has served a call with this context: it knows it
	short   int  // above 0: its runs are short; else the number of short ones after which they are
	retired bool // it is forgotten after its last use
	element *list.Element
}

// use returns a program after the worker was sent what it does not know of it: the program, the limits of
// its tenant, and the context unless that is nil. The caller must call release.
func (s *programs) use(p *runtime.Program, context []byte) *program {
	key := programKey{p.FunctionID, p.Version}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.byKey[key]
	if known == nil {
		known = s.add(key, p)
	}
	s.tenants.limit(s.conn, p.Tenant)
	if context != nil && !same(known.context, context) {
		b := wire.AppendUint(nil, known.number)
		s.conn.send(kindContext, append(b, context...))
		s.resize(known, int64(len(context)-len(known.context)))
		known.context, known.settled = context, false
	}
	known.uses++
	s.order.MoveToFront(known.element)
	for e := s.order.Back(); s.bytes > maxPrograms && e != nil; {
		p, previous := e.Value.(*program), e.Prev()
		if p.uses == 0 {
			s.forget(p)
		}
		e = previous
	}
	return known
}

// same reports whether two contexts are equal, which they usually are because they are the same.
func same(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 && a != nil || len(a) > 0 && &a[0] == &b[0] || a != nil && bytes.Equal(a, b))
}

const (
	// shortRun is the longest duration of a run that goes through a lane, where it stays on one processor.
	shortRun = time.Millisecond
	// shortRuns is the number of short runs after one that was not, after which runs go through lanes again.
	shortRuns = 4
)

// suits reports whether a run of a program may go through a lane: the worker knows the program with its
// context, and its runs are short.
func (s *programs) suits(p *program) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return p.settled && p.short > 0
}

// took notes how long a run of a program was.
func (s *programs) took(p *program, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d > shortRun {
		p.short = 1 - shortRuns
	} else if p.short <= 0 {
		p.short++
	}
}

// settle notes that the worker has served a run of a program with a context.
func (s *programs) settle(p *program, context []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.settled = p.settled || same(p.context, context)
}

func (s *programs) release(p *program) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.uses--; p.uses == 0 && p.retired {
		s.forget(p)
	}
}

// retire lets the worker forget a version, after its last use.
func (s *programs) retire(key programKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.byKey[key]; p != nil && p.uses == 0 {
		s.forget(p)
	} else if p != nil {
		p.retired = true
	}
}

// knows reports whether the worker knows a version.
func (s *programs) knows(key programKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byKey[key] != nil
}

// close gives back what the server keeps of the programs.
func (s *programs) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, p := range s.byKey {
		s.account.Give(int64(len(p.context)) + programOverhead)
		s.tenants.count(p.tenant, -1)
	}
	clear(s.byKey)
	s.order.Init()
}

// The methods below are called with mu held.

func (s *programs) add(key programKey, p *runtime.Program) *program {
	s.last++
	known := &program{key: key, tenant: p.Tenant, number: s.last}
	s.conn.send(kindProgram, appendProgram(wire.AppendUint(nil, known.number), p))
	if s.byKey == nil {
		s.byKey = make(map[programKey]*program)
	}
	if !s.closed {
		s.byKey[key] = known
		s.tenants.count(p.Tenant, 1)
	}
	known.element = s.order.PushFront(known)
	known.bytes = int64(len(p.Source)) + programOverhead
	s.bytes += known.bytes
	s.count(programOverhead)
	return known
}

func (s *programs) resize(p *program, n int64) {
	p.bytes += n
	s.bytes += n
	s.count(n)
}

// count counts what the server keeps.
func (s *programs) count(n int64) {
	switch {
	case s.closed:
	case n < 0:
		s.account.Give(-n)
	default:
		s.account.Add(n)
	}
}

func (s *programs) forget(p *program) {
	if s.byKey[p.key] != p {
		return
	}
	delete(s.byKey, p.key)
	s.tenants.count(p.tenant, -1)
	s.order.Remove(p.element)
	s.bytes -= p.bytes
	s.count(-int64(len(p.context)) - programOverhead)
	s.conn.send(kindForget, wire.AppendUint(nil, p.number))
}

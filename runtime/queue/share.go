package queue

import (
	"container/heap"

	"github.com/faaspot/faaspot/runtime"
)

// The largest parts of the memory for runs that the runs of one function, and those of one tenant,
// may have at once, so that they do not keep others out, however long they take. The first unshared
// runs may have more: a small server would otherwise leave its processors without work.
const (
	functionShare, functionParts = 3, 4
	tenantShare, tenantParts     = 7, 8
	unshared                     = 2
)

// maxIdleShares bounds the functions and tenants without a run that are remembered.
const maxIdleShares = 1000

// shares are the shares of functions and of tenants.
type shares map[shareKey]*share

// shareKey is a function, or with an empty id a tenant.
type shareKey struct {
	tenant   runtime.Tenant
	function string
}

// share is what the runs of a function, or of a tenant, or all runs have of the memory. Those that
// want back what they have lent are in a tree: all have the tenants, a tenant has its functions, and
// a function has the runs.
type share struct {
	bytes     int64 // that are taken for the runs
	most      int64 // bytes that they may have; see unshared
	limit     int64 // the same, of a tenant with a limit of its own, which the first run alone may exceed, see also hasRoom; zero: none
	runs      int   // that have started and not ended
	computing int   // that do not wait for anything
	asleep    int   // that wait for something else than what they have lent

	parent    *share
	returning members // what may go on, as far as this share is concerned
	position
}

// position is the place of a member in the share that it belongs to.
type position struct {
	index int // in share.returning, from 1; 0: it is not there
}

// member is a run that wants back what it has lent, or a share with such runs that has room for one.
type member interface {
	wants() int64 // bytes, at least
	at() *position
}

func (s *share) wants() int64     { return s.returning[0].wants() }
func (s *share) at() *position    { return &s.position }
func (p *position) at() *position { return p }

// exceeds reports whether a new run of some bytes would exceed the share. A nil share is empty.
func (s *share) exceeds(bytes int64) bool {
	return s != nil && (s.runs >= unshared && s.bytes > s.most-bytes || s.exceedsLimit(bytes))
}

// exceedsLimit reports whether a new run of some bytes would exceed the limit of the tenant.
func (s *share) exceedsLimit(bytes int64) bool {
	return s != nil && s.limit > 0 && s.runs > 0 && s.bytes > s.limit-bytes
}

// hasRoom reports whether the share has room for a run that wants some bytes back. It always has if all
// its runs want to go on: shares rule out no progress. While none computes, one run may exceed the limit of
// the tenant: those that sleep may do so for longer than it waits.
func (s *share) hasRoom(bytes int64) bool {
	switch {
	case s.computing+s.asleep == 0:
		return true
	case s.limit > 0 && s.bytes > s.limit-bytes && (s.computing > 0 || s.bytes > s.limit):
		return false
	}
	return s.bytes <= s.most-bytes
}

// changed updates the places of the share and of those that it belongs to, after a change of its
// bytes or of what returns.
func (s *share) changed() {
	for ; s.parent != nil; s = s.parent {
		s.parent.returning.set(s, len(s.returning) > 0 && s.hasRoom(s.wants()))
	}
}

// first returns the run that wants least of those that may go on, or nil.
func (s *share) first() *Run {
	for len(s.returning) > 0 {
		switch m := s.returning[0].(type) {
		case *Run:
			return m
		case *share:
			s = m
		}
	}
	return nil
}

// members is a heap with the member first that wants least. It implements heap.Interface.
type members []member

// set adds, removes or moves a member.
func (m *members) set(x member, in bool) {
	switch at := x.at().index; {
	case in && at == 0:
		heap.Push(m, x)
	case in:
		heap.Fix(m, at-1)
	case at > 0:
		heap.Remove(m, at-1)
	}
}

func (m members) Len() int           { return len(m) }
func (m members) Less(i, j int) bool { return m[i].wants() < m[j].wants() }
func (m members) Swap(i, j int) {
	m[i], m[j] = m[j], m[i]
	m[i].at().index, m[j].at().index = i+1, j+1
}

func (m *members) Push(x any) {
	*m = append(*m, x.(member))
	x.(member).at().index = len(*m)
}

func (m *members) Pop() any {
	last := len(*m) - 1
	x := (*m)[last]
	(*m)[last] = nil
	*m = (*m)[:last]
	x.at().index = 0
	return x
}

// of returns the shares of a run's function and of its tenant, nil for those that have none.
func (s shares) of(r *Run) (function, tenant *share) {
	return s[shareKey{r.Tenant, r.Function}], s[shareKey{tenant: r.Tenant}]
}

// leave drops a run that has ended.
func (s shares) leave(r *Run) {
	function := r.share
	tenant := function.parent
	function.runs--
	tenant.runs--
	tenant.parent.runs--
	if len(s) > maxIdleShares {
		if function.runs == 0 {
			delete(s, shareKey{r.Tenant, r.Function})
		}
		if tenant.runs == 0 {
			delete(s, shareKey{tenant: r.Tenant})
		}
	}
	r.share = nil
}

// enter counts a run that starts, with what of has returned for it.
func (a *Admission) enter(r *Run, function, tenant *share) {
	if tenant == nil {
		tenant = &share{most: a.mostOfTenant, parent: &a.all}
		a.shares[shareKey{tenant: r.Tenant}] = tenant
	}
	if tenant.runs == 0 {
		tenant.limit = a.limitOf(r.Tenant)
	}
	if function == nil {
		function = &share{most: a.mostOfFunction, parent: tenant}
		a.shares[shareKey{r.Tenant, r.Function}] = function
	}
	r.share = function
	for s := function; s != nil; s = s.parent {
		s.runs++
		s.computing++
		s.bytes += r.Bytes
	}
}

// count adds to the bytes, and to the runs that compute and that are asleep, of a run's shares.
func (r *Run) count(bytes int64, computing, asleep int) {
	for s := r.share; s != nil; s = s.parent {
		s.bytes += bytes
		s.computing += computing
		s.asleep += asleep
	}
	r.share.changed()
}

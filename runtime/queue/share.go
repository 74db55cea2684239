package queue

import "github.com/faaspot/faaspot/runtime"

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

// shares are the bytes that are taken for the runs of functions and of tenants.
type shares map[shareKey]*share

// shareKey is a function, or with an empty id a tenant.
type shareKey struct {
	tenant   runtime.Tenant
	function string
}

type share struct {
	bytes int64
	runs  int
}

// of returns the shares of a run's function and of its tenant, nil for those that have none.
func (s shares) of(r *Run) [2]*share {
	return [...]*share{s[shareKey{r.Tenant, r.Function}], s[shareKey{tenant: r.Tenant}]}
}

// enter counts a run that starts, with what of has returned for it.
func (s shares) enter(r *Run, found [2]*share) {
	if found[0] == nil {
		found[0] = new(share)
		s[shareKey{r.Tenant, r.Function}] = found[0]
	}
	if found[1] == nil {
		found[1] = new(share)
		s[shareKey{tenant: r.Tenant}] = found[1]
	}
	r.shares = found
	for _, h := range r.shares {
		h.runs++
	}
}

// leave drops a run that has ended.
func (s shares) leave(r *Run) {
	for i, h := range r.shares {
		if h.runs--; h.runs > 0 || len(s) <= maxIdleShares {
			continue
		}
		key := shareKey{r.Tenant, r.Function}
		if i == 1 {
			key.function = ""
		}
		delete(s, key)
	}
	r.shares = [2]*share{}
}

func (s shares) add(r *Run, bytes int64) {
	for _, h := range r.shares {
		h.bytes += bytes
	}
}

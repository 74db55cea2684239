package dispatch

import "github.com/faaspot/faaspot/runtime/queue"

// An attempt that has a lease may have to wait for memory in spite of free memory, because the runs of its
// function or of its tenant have all that they may have: it is aside. Until it begins nothing else of this
// function, or of this tenant, is leased, and others are leased as if these had no attempts.

// aside is what an attempt waits for in spite of free memory.
type aside uint8

const (
	notAside aside = iota
	asideOfFunction
	asideOfTenant
)

// maxGroups bounds the turns of a tenant that one look for its next run passes over.
const maxGroups = 4

// tenantAhead has the attempts of a tenant that have not begun, suspects excluded.
type tenantAhead struct {
	functionAhead                          // of all functions; asides: those that wait for the tenant's share
	functions     map[string]functionAhead // by id
	hidden        int                      // attempts of functions with attempts that wait for the function's share
}

// functionAhead has the numbers of attempts that have not begun.
type functionAhead struct{ all, asides int }

// counted returns the number of attempts that are ahead of what is leased next.
func (t *tenantAhead) counted() int {
	if t.asides > 0 {
		return 0
	}
	return t.all - t.hidden
}

// waits reports whether some attempt is aside.
func (t *tenantAhead) waits() bool { return t.asides > 0 || t.hidden > 0 }

// holds reports whether nothing of a function is leased.
func (t *tenantAhead) holds(function string) bool {
	return t.asides > 0 || t.functions[function].asides > 0
}

// count adds n to the number of attempts of a function, and asides to the number of those that are aside.
func (t *tenantAhead) count(function string, n int, of aside, asides int) {
	f := t.functions[function]
	if f.asides > 0 {
		t.hidden -= f.all
	}
	t.all += n
	f.all += n
	switch of {
	case asideOfFunction:
		f.asides += asides
	case asideOfTenant:
		t.asides += asides
	}
	if f.asides > 0 {
		t.hidden += f.all
	}
	if f == (functionAhead{}) {
		delete(t.functions, function)
	} else {
		t.functions[function] = f
	}
}

// countOf counts for an attempt as [tenantAhead.count] does, and updates p.ahead.
func (p *plan) countOf(a *attempt, n, asides int) {
	tenant := a.run.Tenant
	t := p.aheadOf[tenant]
	if t == nil {
		t = &tenantAhead{functions: make(map[string]functionAhead)}
		p.aheadOf[tenant] = t
	}
	before := t.counted()
	t.count(a.run.FunctionID, n, a.aside, asides)
	p.ahead += t.counted() - before
	if len(t.functions) == 0 && t.asides == 0 {
		delete(p.aheadOf, tenant)
	}
}

// countAhead adds n to the number of attempts that have not begun. Suspects have counts of their own:
// the others are leased as if there were none.
func (p *plan) countAhead(a *attempt, n int) {
	switch {
	case a.away:
	case a.lane != nil:
		a.lane.countAhead(a.run.Tenant, n)
	case a.aside != notAside && n < 0:
		p.countOf(a, n, -1)
		a.aside = notAside
		p.free(a.run.Tenant)
	default:
		p.countOf(a, n, 0)
	}
}

// setAside notes that an attempt that has not begun waits for others of its function or of its tenant.
func (p *plan) setAside(a *attempt, byTenant bool) {
	if a.lane != nil || a.aside != notAside {
		return
	}
	if a.aside = asideOfFunction; byTenant {
		a.aside = asideOfTenant
	}
	p.countOf(a, 0, 1)
	p.leaser.Set()
}

// nextOf returns the tenant's item that is next in turn and may be leased, or nil. It looks at few.
func (p *plan) nextOf(t *queue.Turn[*QueuedRun]) *queue.Item[*QueuedRun] {
	for range maxGroups + 1 {
		it := t.Next()
		if ahead := p.aheadOf[it.Value.Tenant]; ahead == nil || !ahead.holds(it.Value.FunctionID) {
			return it
		}
		p.queue.Pass(it)
	}
	return nil
}

package dispatch

import (
	"slices"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// fewWaiting is the number of waiting runs of a tenant that may be looked at for each cancellation,
	// and goneParts the divisor of a larger number: as many cancellations share one look.
	fewWaiting = 1024
	goneParts  = 8
)

// goneRuns are the runs of a tenant that were cancelled and may still be in the plan.
type goneRuns struct {
	ids   map[string]struct{}
	fresh int // number of cancellations since the runs that wait were looked at
}

// forget removes a run from the queue that was cancelled, with others of its tenant: at once if few
// wait, else when one goneParts of those that wait were cancelled, so that the cost of each is bounded.
// Until then, and elsewhere than in the queue, it keeps its place until its turn.
func (p *plan) forget(tenant runtime.Tenant, id string) {
	gone := p.gone[tenant]
	if gone == nil {
		gone = &goneRuns{ids: make(map[string]struct{})}
		p.gone[tenant] = gone
	}
	gone.ids[id] = struct{}{}
	gone.fresh++
	if waiting := p.queue.Waiting(tenant); waiting > fewWaiting && gone.fresh*goneParts < waiting {
		return
	}
	gone.fresh = 0
	var left []*TaskGroup // by tasks
	drop := func(r *QueuedRun) bool {
		if !p.isGone(r) {
			return false
		}
		p.uncount(r)
		if r.Job != nil {
			left = append(left, r.Job)
		}
		return true
	}
	p.queue.RemoveIf(tenant, drop)
	if p.pausedSuspects > 0 {
		for _, f := range p.paused[tenant] {
			before := len(f.suspects)
			f.suspects = slices.DeleteFunc(f.suspects, drop)
			p.pausedSuspects -= before - len(f.suspects)
		}
	}
	for _, g := range left {
		p.leavePlace(g)
	}
	p.tidyGone(tenant)
}

// tidyGone forgets the runs of a tenant that were cancelled, and do not wait in the queue, if there are fewer
// elsewhere: some are nowhere.
func (p *plan) tidyGone(tenant runtime.Tenant) {
	elsewhere := len(p.active) + p.size() - p.queue.Len() - p.pausedSuspects
	if gone := p.gone[tenant]; gone != nil && len(gone.ids) > elsewhere {
		delete(p.gone, tenant)
	}
}

// isGone reports whether a run was cancelled, and forgets that.
func (p *plan) isGone(r *QueuedRun) bool {
	gone := p.gone[r.Tenant]
	if gone == nil {
		return false
	}
	if _, is := gone.ids[r.id]; !is {
		return false
	}
	if delete(gone.ids, r.id); len(gone.ids) == 0 {
		delete(p.gone, r.Tenant)
	}
	return true
}

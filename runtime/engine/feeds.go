package engine

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/internal/notify"
)

const (
	// maxFeeds and maxTenantFeeds bound the followers of executions, of all tenants and of one. Each
	// change of a tenant is noted for each of its followers. If there are maxFeeds, a tenant with fewer
	// gets the place of one of the tenant with the most.
	maxFeeds       = 256
	maxTenantFeeds = 32
	// maxChanged bounds the executions that have changed since a follower has asked last.
	maxChanged = 200
)

// feeds are the followers of executions, by tenant. All methods may be called concurrently.
type feeds struct {
	count   atomic.Int32
	mu      sync.Mutex
	tenants map[runtime.Tenant]map[*feed]struct{}
}

func newFeeds() *feeds { return &feeds{tenants: make(map[runtime.Tenant]map[*feed]struct{})} }

// followed reports whether there is any follower.
func (f *feeds) followed() bool { return f.count.Load() > 0 }

// publish notes that executions of a tenant have changed.
func (f *feeds) publish(tenant runtime.Tenant, ids ...string) {
	if !f.followed() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for follower := range f.tenants[tenant] {
		follower.note(ids)
	}
}

// open adds a follower.
func (f *feeds) open(tenant runtime.Tenant) (*feed, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	own := len(f.tenants[tenant])
	if own >= maxTenantFeeds || int(f.count.Load()) >= maxFeeds && !f.makeRoom(own) {
		err := runtime.Errorf(runtime.CodeTooBusy, "too many requests follow executions: %d may, %d of them of one workspace", maxFeeds, maxTenantFeeds).
			WithHint("end one of them, or list executions without follow")
		err.RetryAfter = runtime.BusyRetry
		return nil, err
	}
	follower := &feed{feeds: f, tenant: tenant, changed: notify.NewSignal(), known: make(map[string]struct{})}
	if f.tenants[tenant] == nil {
		f.tenants[tenant] = make(map[*feed]struct{})
	}
	f.tenants[tenant][follower] = struct{}{}
	f.count.Add(1)
	return follower, nil
}

// makeRoom ends a follower of the tenant with the most, and reports whether that leaves it more than own
// followers. The mutex is held.
func (f *feeds) makeRoom(own int) bool {
	var most map[*feed]struct{}
	for _, followers := range f.tenants {
		if len(followers) > len(most) {
			most = followers
		}
	}
	if len(most) <= own+1 {
		return false
	}
	for follower := range most {
		follower.ended = true
		follower.changed.Set()
		f.remove(follower)
		break
	}
	return true
}

// remove removes a follower that is open. The mutex is held.
func (f *feeds) remove(follower *feed) {
	delete(f.tenants[follower.tenant], follower)
	if len(f.tenants[follower.tenant]) == 0 {
		delete(f.tenants, follower.tenant)
	}
	f.count.Add(-1)
}

// feed implements [runtime.ExecutionFeed].
type feed struct {
	feeds   *feeds
	tenant  runtime.Tenant
	changed notify.Signal

	// The mutex of the feeds guards these.
	ids    []string // that have changed since the last Next, in the order of their first changes
	known  map[string]struct{}
	missed int
	ended  bool // so that another tenant has its place
}

// note notes changes. The mutex of the feeds is held.
func (f *feed) note(ids []string) {
	for _, id := range ids {
		switch _, known := f.known[id]; {
		case known:
		case len(f.ids) == maxChanged:
			f.missed++
		default:
			f.ids = append(f.ids, id)
			f.known[id] = struct{}{}
		}
	}
	f.changed.Set()
}

// Next implements [runtime.ExecutionFeed].
func (f *feed) Next(ctx context.Context) (ids []string, missed int, more bool) {
	select {
	case <-f.changed:
	case <-ctx.Done():
	}
	f.feeds.mu.Lock()
	defer f.feeds.mu.Unlock()
	ids, missed = f.ids, f.missed
	f.ids, f.missed = nil, 0
	clear(f.known)
	return ids, missed, !f.ended
}

// Close implements [runtime.ExecutionFeed].
func (f *feed) Close() {
	f.feeds.mu.Lock()
	defer f.feeds.mu.Unlock()
	if _, open := f.feeds.tenants[f.tenant][f]; open {
		f.feeds.remove(f)
	}
}

// FollowExecutions returns what reports the changes of all executions of a tenant from now on. The
// caller must close it. The error is CodeTooBusy if too many follow, CodeUnavailable after Close.
func (e *Engine) FollowExecutions(tenant runtime.Tenant) (runtime.ExecutionFeed, error) {
	const op = "engine.follow"
	if err := e.enter(); err != nil {
		return nil, withOp(op, err)
	}
	defer e.gate.leave()
	f, err := e.feeds.open(tenant)
	if err != nil {
		return nil, withOp(op, err)
	}
	return f, nil
}

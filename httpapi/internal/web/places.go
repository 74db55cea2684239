package web

import (
	"context"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// MaxWaiting bounds the requests that wait for an execution or follow its logs. Each holds a
	// connection and one or two goroutines.
	MaxWaiting = 4000
	// MaxTenantWaiting and MaxGroupWaiting bound those of one tenant, and those of a tenant for
	// one function or job.
	MaxTenantWaiting = MaxWaiting / 2
	MaxGroupWaiting  = MaxWaiting / 4
	// WaitingRetry is the Retry-After of a request that may not wait.
	WaitingRetry = 5 * time.Second
)

// FunctionGroup and JobGroup return the groups of requests that wait for a function or a job.
func FunctionGroup(name string) string { return "function " + name }
func JobGroup(name string) string      { return "job " + name }

// group is what the requests of a tenant wait for.
type group struct {
	tenant runtime.Tenant
	name   string
}

// places are the places of requests that wait.
type places struct {
	mu      sync.Mutex
	waiting map[*place]struct{}
	tenants map[runtime.Tenant]int
	groups  map[group]int
	hangups Hangups
}

// place is the place of one request.
type place struct {
	group  group
	client interface{ Gone() bool } // nil: unknown
	end    context.CancelFunc
	unsee  func() // watches the client no more; nil: it is unknown
}

func newPlaces() *places {
	return &places{waiting: make(map[*place]struct{}), tenants: make(map[runtime.Tenant]int), groups: make(map[group]int)}
}

// take takes a place, and reports whether one was free. end is called when the client hangs up.
func (p *places) take(at *place) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch g := at.group; {
	case len(p.waiting) >= MaxWaiting:
		return noPlace("%d requests already wait for executions", MaxWaiting)
	case p.tenants[g.tenant] >= MaxTenantWaiting:
		return noPlace("%d requests of this workspace already wait for executions", MaxTenantWaiting)
	case p.groups[g] >= MaxGroupWaiting:
		return noPlace("%d requests already wait for executions of this function or job", MaxGroupWaiting)
	}
	p.waiting[at] = struct{}{}
	p.tenants[at.group.tenant]++
	p.groups[at.group]++
	if at.client != nil {
		at.unsee = p.hangups.Watch(at.client, func() {
			p.leave(at)
			at.end()
		})
	}
	return nil
}

func noPlace(format string, limit int) error {
	err := runtime.Errorf(runtime.CodeTooBusy, format, limit).
		WithHint("send the request without wait or follow, or try again later")
	err.RetryAfter = WaitingRetry
	return err
}

// leave frees a place. It may be called more than once.
func (p *places) leave(at *place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, held := p.waiting[at]; !held {
		return
	}
	delete(p.waiting, at)
	if at.unsee != nil {
		at.unsee()
	}
	if p.tenants[at.group.tenant]--; p.tenants[at.group.tenant] == 0 {
		delete(p.tenants, at.group.tenant)
	}
	if p.groups[at.group]--; p.groups[at.group] == 0 {
		delete(p.groups, at.group)
	}
}

// Wait takes a place for a request that waits for executions of a group, for at most limit. The
// context also ends when a shutdown begins, and when the client hangs up, which frees the place.
// The caller must call leave. Call Wait before the work that the request waits for: the error is
// CodeTooBusy, which says that nothing was done.
func (h *Host) Wait(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, name string, limit time.Duration) (waits context.Context, leave func(), err error) {
	at := &place{group: group{tenant, name}}
	if ctx != nil {
		at.client, _ = ctx.Conn().(interface{ Gone() bool })
	}
	waits, at.end = context.WithTimeout(h.waits, limit)
	if err := h.places.take(at); err != nil {
		at.end()
		return nil, nil, err
	}
	return waits, func() { at.end(); h.places.leave(at) }, nil
}

// Waiting returns the number of requests that wait.
func (h *Host) Waiting() int64 {
	h.places.mu.Lock()
	defer h.places.mu.Unlock()
	return int64(len(h.places.waiting))
}

package engine

import (
	"context"
	"sync"

	"github.com/faaspot/faaspot/runtime"
)

// AwaitExecution gives an execution, without its logs, as soon as it is in a terminal
// state. When ctx ends before, or the server begins to shut down, it gives the
// execution as it stands, without an error.
//
// Errors: CodeNotFound, CodeUnavailable, CodeInternal.
func (e *Engine) AwaitExecution(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Execution, error) {
	if err := e.enter(); err != nil {
		return runtime.Execution{}, err
	}
	defer e.gate.leave()
	const op = "engine.await"
	x, err := e.stands(tenant, id)
	if err != nil || x.State.Terminal() || ctx.Err() != nil {
		return x, fault(op, err)
	}
	end, leave := e.ends.of(x.ID)
	defer leave()
	if x, err = e.stands(tenant, id); err != nil || x.State.Terminal() {
		return x, fault(op, err)
	}
	select {
	case <-end:
	case <-ctx.Done():
	case <-e.background.shutting:
	}
	x, err = e.stands(tenant, id)
	return x, fault(op, err)
}

// notices tells those who wait for something of an execution, such as its end.
type notices struct {
	mu  sync.Mutex
	all map[string]*notice
}

type notice struct {
	waiting int
	told    chan struct{}
}

func newNotices() *notices { return &notices{all: make(map[string]*notice)} }

// of gives a channel that is closed when it has happened after of was called. Whoever calls of must call leave.
func (n *notices) of(id string) (told <-chan struct{}, leave func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	one := n.all[id]
	if one == nil {
		one = &notice{told: make(chan struct{})}
		n.all[id] = one
	}
	one.waiting++
	return one.told, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if one.waiting--; one.waiting == 0 && n.all[id] == one {
			delete(n.all, id)
		}
	}
}

// tell lets those know who wait for it.
func (n *notices) tell(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if one := n.all[id]; one != nil {
		close(one.told)
		delete(n.all, id)
	}
}

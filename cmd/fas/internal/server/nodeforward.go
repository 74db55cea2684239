package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/cluster/mesh"
)

// forwarding forwards the requests of a node to the owner. It has what [httpapi.Follower] needs for that.
type forwarding struct{ from *node }

// HandsOver implements [httpapi.Follower].
func (f forwarding) HandsOver() bool { return f.from.cluster.HandsOver() }

// Await implements [httpapi.Follower]. It waits for at most holdTime.
func (f forwarding) Await(ctx context.Context, client net.Addr, tenant runtime.Tenant) error {
	leave, err := f.from.forwarder.Hold(client, string(tenant))
	if err != nil {
		return refusedError(err)
	}
	defer leave()
	limited, cancel := context.WithTimeout(ctx, holdTime)
	defer cancel()
	if f.from.cluster.AwaitOwner(limited); ctx.Err() != nil {
		return noOwnerError()
	}
	return nil
}

// Forward implements [httpapi.Follower].
func (f forwarding) Forward(r *http.Request, client net.Addr, tenant runtime.Tenant) (*http.Response, error) {
	answer, err := f.from.forwarder.Forward(r, client, string(tenant))
	return answer, refusedError(err)
}

// refusedError returns the error of a request that was not sent to the owner as clients see it, and any other one as it is.
func refusedError(err error) error {
	switch {
	case errors.Is(err, mesh.ErrNoOwner):
		return noOwnerError()
	case errors.Is(err, mesh.ErrNoPlace):
		busy := runtime.Errorf(runtime.CodeTooBusy, "this node forwards as many requests as it may").WithHint("try again in a moment, or use another node")
		busy.RetryAfter = runtime.BusyRetry
		return busy
	}
	return err
}

// noOwnerError is the answer to requests while there is no owner.
func noOwnerError() error {
	err := runtime.Errorf(runtime.CodeUnavailable, "no node of the cluster owns the data at the moment").WithHint("try again in a moment")
	err.RetryAfter = time.Second
	return err
}

// between forwards all requests of a node that is between two lives. It implements [httpapi.Follower]. Such a node knows no tenant, also
// none that it knew a moment ago: all requests have the places of one that is known, so that many of one address, as of a
// proxy, can wait.
type between struct{ forwarding }

// anyTenant is the sender of all requests of a node between two lives. It is the name of no tenant.
const anyTenant = "*"

// Await implements [httpapi.Follower].
func (b between) Await(ctx context.Context, client net.Addr, _ runtime.Tenant) error {
	return b.forwarding.Await(ctx, client, anyTenant)
}

// Forward implements [httpapi.Follower].
func (b between) Forward(r *http.Request, client net.Addr, _ runtime.Tenant) (*http.Response, error) {
	return b.forwarding.Forward(r, client, anyTenant)
}

// Follows implements [httpapi.Follower].
func (between) Follows() bool { return true }

// Runs implements [httpapi.Follower].
func (between) Runs() bool { return false }

// Settle implements [httpapi.Follower].
func (between) Settle() {}

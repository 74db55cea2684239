package runtime

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrPlaceLost is in the chain of the error of a run on another node, if it is not known what has become of the run: the
// node has ended, or cannot be reached.
var ErrPlaceLost = errors.New("the node that ran it is lost")

// ErrPlaceUnused is in the chain of the error of a run that another node has not begun, and will not.
var ErrPlaceUnused = errors.New("the node has not begun the run")

// ErrPlaceUnfit is in the chain of the error of a run that another node has not begun for a reason that is the run's own, and not
// the node's: its tenant or its function has there what it may have, or the node knows another version. Others may begin there. It
// is an ErrPlaceUnused.
var ErrPlaceUnfit = fmt.Errorf("%w, but may begin others", ErrPlaceUnused)

// ErrOwnerLeaves is the cause of the end of a context that ends because this process is not the owner of the data any more, or
// will not be: what runs on other nodes goes on, and the next owner takes it.
var ErrOwnerLeaves = errors.New("this node leaves the run to the next owner")

// Places are where runs can happen besides the own sandbox: on other nodes, which lend them. Its methods may be called
// concurrently.
type Places interface {
	// Take takes a place for a run of a tenant that may use some bytes at most. share is how many runs of the tenant may be
	// on one node at once; 0: any number. ok is false if no node has room.
	Take(tenant Tenant, bytes int64, share int) (p Place, ok bool)
	// OnFree sets what is called when a place may have become free. It must not block.
	OnFree(f func())
	// Nodes returns how many nodes lend places at present, whether or not these are taken.
	Nodes() int
}

// Place is a place for one run on another node.
type Place interface {
	// Run is [Sandbox.Run] there. Room and Network of the call are not used: that node has its own. The program's source and
	// bundle are not sent: the node has the version in its copy of the data. Errors besides those of a Sandbox:
	// ErrPlaceLost (in the chain): it is not known what has become of the run, as with a worker that is lost;
	// ErrPlaceUnused: the node has not begun it (it does not know the version, or stops, or its memory is short): the run may
	// start elsewhere, and nothing has failed. Such a node should get no further run for a moment; if the error is ErrPlaceUnfit, none
	// of that tenant, and for no longer than a second. If ctx ends with the cause ErrOwnerLeaves, Run returns at once, the run is
	// not cancelled, and the node keeps its end for the next owner.
	Run(ctx context.Context, c RunCall) (Outcome, error)
	// Release gives the place back. It must be called once, after Run has returned or instead of Run, unless this process ends, or is not
	// the owner of the data any more.
	Release()
	// Recorded notes that the end that Run has returned is on disk, or needs not be: until then the node keeps it, for the next owner of the
	// data. It is called once at most, after Release.
	Recorded()
}

// LentRun is a run that another node has begun for an owner before, and not ended, or whose end no owner has recorded.
type LentRun struct {
	Tenant    Tenant
	Execution string // ID
	Attempt   int
	Version   uint64 // of the function
	Started   time.Time
	// Own reports that it is this process that runs it: it ends with it.
	Own bool
	// Place is where it runs. Its Run waits for the end of that run, and uses Logs of the call alone. Its Release instead of Run
	// cancels the run.
	Place Place
}

// RunLender is the other side: what runs for the owner on this node. Its methods may be called concurrently.
type RunLender interface {
	// RunLent runs the function of a call that the owner has leased, with this node's memory, turn and networks. Of the
	// program, only tenant, function ID and version are set. It refuses with ErrPlaceUnused if that is not the version that
	// this node knows as the current one (or, if the call is pinned to it, that it knows), before anything runs; with
	// ErrPlaceUnfit, if it would begin others. If ctx ends
	// with an [*Error] as its cause, that is the error: ShuttingDownError lets the owner queue the run again without a charge.
	RunLent(ctx context.Context, c RunCall) (Outcome, error)
	// Lendable returns how much more this node can lend now beside its own runs: bytes of memory, and runs at once. What runs
	// for the owner already has been taken from it.
	Lendable() (bytes int64, places int)
}

package engine

import (
	"container/heap"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// origin is what the executions of one request have in common.
type origin struct {
	tenant     runtime.Tenant
	functionID string
	function   string
	version    uint64
	caller     runtime.Caller
	job        *jobGroup // that they are tasks of, nil if they are none
}

// turn is what the executions take turns by with others of their tenant: each
// function has its own, and each execution of a job.
func (o *origin) turn() string {
	if o.job != nil {
		return o.job.id
	}
	return o.functionID
}

// ticket is a queued execution, as the dispatcher remembers it: to read 100,000
// from the store allocates 40 MB in all (BenchmarkStartWithBacklog). Their args
// stay there.
type ticket struct {
	waiter
	*origin
	id        string
	created   int64 // nanoseconds since 1970
	notBefore int64 // by the dispatcher's clock; 0: at once
	retries   int32
	attempt   int32 // the latest
	failures  int32 // of the function
	faults    int32 // of the platform, but for
	lost      int32 // attempts that were lost with a process
	task      int32 // its number, of a task
}

// newTicket makes the ticket of a queued execution.
func newTicket(o *origin, x *runtime.Execution) *ticket {
	t := &ticket{
		origin:   o,
		id:       x.ID,
		created:  x.Created.UnixNano(),
		retries:  int32(x.Retries),
		attempt:  int32(x.Attempt),
		failures: int32(x.FunctionFailures),
		faults:   int32(x.PlatformFailures),
		lost:     int32(x.LostAttempts),
	}
	if x.Task != nil {
		t.task = int32(x.Task.Index)
	}
	t.ticket = t
	return t
}

// suspect tells whether the process ended again and again while the execution
// ran, which it may have been the cause of.
func (t *ticket) suspect() bool { return t.lost >= maxLost-1 }

// execution is the queued execution.
func (t *ticket) execution() runtime.Execution {
	x := runtime.Execution{
		ID:               t.id,
		Tenant:           t.tenant,
		Kind:             runtime.KindRun,
		FunctionID:       t.functionID,
		Function:         t.function,
		Version:          t.version,
		State:            runtime.StateQueued,
		Created:          time.Unix(0, t.created).UTC(),
		Attempt:          int(t.attempt),
		Retries:          int(t.retries),
		FunctionFailures: int(t.failures),
		PlatformFailures: int(t.faults),
		LostAttempts:     int(t.lost),
		Caller:           t.caller,
	}
	if t.job != nil {
		x.Task = &runtime.TaskOf{JobExecution: t.job.id, Index: int(t.task)}
	}
	return x
}

// delays orders tickets by when they may start.
type delays []*ticket

func (d delays) Len() int           { return len(d) }
func (d delays) Less(i, j int) bool { return d[i].notBefore < d[j].notBefore }
func (d delays) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *delays) Push(t any)        { *d = append(*d, t.(*ticket)) }

func (d *delays) Pop() any {
	last := len(*d) - 1
	t := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return t
}

// due takes out a ticket whose time has come, or gives nil and how long the
// first has to wait; 0 if there is none.
func (d *delays) due(now int64) (*ticket, time.Duration) {
	if len(*d) == 0 {
		return nil, 0
	}
	if wait := time.Duration((*d)[0].notBefore - now); wait > 0 {
		return nil, wait
	}
	return heap.Pop(d).(*ticket), 0
}

package dispatch

import (
	"container/heap"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/queue"
)

// Origin is what the executions of one request have in common.
type Origin struct {
	Tenant     runtime.Tenant
	Use        *runtime.TenantUse // of the tenant
	FunctionID string
	Function   string // name
	Version    uint64 // current when the request was accepted, or the one to run
	Pinned     bool   // whether Version is the one to run
	Caller     runtime.Caller
	Job        *TaskGroup // the execution of a job that they are tasks of; nil if they are no tasks
}

// turn returns the key that fair scheduling rotates over within a tenant: each function has
// a turn of its own, and so has each execution of a job.
func (o *Origin) turn() string {
	if o.Job != nil {
		return o.Job.id
	}
	return o.FunctionID
}

// QueuedRun is a queued execution as the Dispatcher remembers it. Its args stay in the
// store. It is this small because there may be a million of them: reading 100,000 from the
// store at a start allocates 40 MB in all (BenchmarkStartWithBacklog).
type QueuedRun struct {
	item queue.Item[*QueuedRun]
	*Origin
	id        string
	created   int64 // nanoseconds since the epoch
	waiting   int64 // nanoseconds since the epoch: its acceptance, the end of its latest attempt, or a new process
	notBefore int64 // on the Dispatcher's clock; 0: at once
	busySince int64 // on the Dispatcher's clock: when memory was first short for it; 0: it is not
	retries   int32
	attempt   int32             // number of the latest attempt
	failures  int32             // failures of the function
	faults    int32             // failures of the platform, lost attempts excluded
	lost      int32             // attempts that ended with the server process or a worker process
	task      int32             // index of the task; 0 if it is no task
	suspicion runtime.Suspicion // its Probation is none
	crashes   uint8             // attempts that ended with a worker process of this server process
	takenBack bool              // its latest attempt has ended before it began, and it is in front of others
	away      *awayTrial        // what other nodes have said to it; nil: nothing
}

// NewQueuedRun returns the queued run of an execution that may start at once.
func NewQueuedRun(o *Origin, x *runtime.Execution) *QueuedRun {
	r := &QueuedRun{
		Origin:    o,
		id:        x.ID,
		created:   x.Created.UnixNano(),
		waiting:   x.Created.UnixNano(),
		retries:   int32(x.Retries),
		attempt:   int32(x.Attempt),
		failures:  int32(x.FunctionFailures),
		faults:    int32(x.PlatformFailures),
		lost:      int32(x.LostAttempts),
		suspicion: x.Suspicion,
	}
	r.suspicion.Probation = runtime.ProbationNone
	if x.Task != nil {
		r.task = int32(x.Task.Index)
	}
	r.item.Value = r
	return r
}

// Before reports whether r goes before s when a new process queues what the previous one
// left: suspects first, then by the time of acceptance. Of the suspects, those with shorter
// probations go first; of those with the shortest the most suspected go first, of others last.
func (r *QueuedRun) Before(s *QueuedRun) bool {
	if suspected(r.suspicion) != suspected(s.suspicion) {
		return suspected(r.suspicion)
	}
	if suspected(r.suspicion) {
		switch a, b := r.suspicion, s.suspicion; {
		case a.Stretch != b.Stretch:
			return a.Stretch < b.Stretch
		case a.Losses != b.Losses:
			return a.Losses > b.Losses == (a.Stretch == 0)
		}
	}
	return r.id < s.id
}

// execution returns the execution, queued.
func (r *QueuedRun) execution() runtime.Execution {
	x := runtime.Execution{
		ID:               r.id,
		Tenant:           r.Tenant,
		Kind:             runtime.KindRun,
		FunctionID:       r.FunctionID,
		Function:         r.Function,
		Version:          r.Version,
		State:            runtime.StateQueued,
		Created:          time.Unix(0, r.created).UTC(),
		Attempt:          int(r.attempt),
		Retries:          int(r.retries),
		FunctionFailures: int(r.failures),
		PlatformFailures: int(r.faults),
		LostAttempts:     int(r.lost),
		Suspicion:        r.suspicion,
		Caller:           r.Caller,
	}
	if r.Job != nil {
		x.Task = &runtime.TaskRef{JobExecution: r.Job.id, Index: int(r.task)}
	}
	return x
}

// delays is a heap of runs, ordered by the time at which they may start.
type delays []*QueuedRun

func (d delays) Len() int           { return len(d) }
func (d delays) Less(i, j int) bool { return d[i].notBefore < d[j].notBefore }
func (d delays) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *delays) Push(r any)        { *d = append(*d, r.(*QueuedRun)) }

func (d *delays) Pop() any {
	last := len(*d) - 1
	r := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return r
}

// due removes and returns a run whose time has come. If there is none it returns nil and the time
// until the first one is due, 0 if nothing is delayed.
func (d *delays) due(now int64) (*QueuedRun, time.Duration) {
	if len(*d) == 0 {
		return nil, 0
	}
	if wait := time.Duration((*d)[0].notBefore - now); wait > 0 {
		return nil, wait
	}
	return heap.Pop(d).(*QueuedRun), 0
}

package runtime

import (
	"context"
	"strconv"
	"time"
)

// ObservedStatus is how an execution that is done is told to those who observe a
// resource: what did not succeed has failed, and its failure reason says how.
type ObservedStatus string

// The statuses.
const (
	ObservedSucceeded ObservedStatus = "SUCCEEDED"
	ObservedFailed    ObservedStatus = "FAILED"
)

// ObservedExecution is what can be observed of an execution that is done: a run
// of a function, or an execution of a job.
type ObservedExecution struct {
	ID string
	// RID is the resource that was executed, Version the version of the function
	// or the revision of the job.
	RID     string
	Version uint64
	Status  ObservedStatus
	// Reason is the class of the failure, empty if there was none.
	Reason Class
	// Started is when it started, or was accepted if it never did. It is not before
	// the time in its ID, whatever the clock said.
	Started  time.Time
	Duration time.Duration // zero if it never started
	// Caller is who asked for it, with TraceID and TraceOwner always set.
	Caller
}

// Millis is the duration as it is told and searched: in whole milliseconds,
// rounded down.
func (x *ObservedExecution) Millis() int64 { return max(0, x.Duration.Milliseconds()) }

// Observe tells what can be observed of a run that is done.
func (x *Execution) Observe() ObservedExecution {
	o := ObservedExecution{
		ID: x.ID, RID: FunctionRID(x.FunctionID), Version: x.Version, Duration: x.Took(), Caller: x.Caller,
	}
	o.end(x.State, x.Failure)
	o.begin(x.Started, x.Created)
	return o
}

// Observe tells what can be observed of an execution that is done.
func (x *JobExecution) Observe() ObservedExecution {
	o := ObservedExecution{ID: x.ID, RID: JobRID(x.JobID), Version: x.Revision, Caller: x.Caller}
	if !x.Started.IsZero() {
		o.Duration = x.Finished.Sub(x.Started)
	}
	o.end(x.State, nil)
	o.begin(x.Started, x.Created)
	return o
}

func (o *ObservedExecution) end(state State, failure *Failure) {
	o.Status = ObservedFailed
	switch {
	case state == StateSucceeded:
		o.Status = ObservedSucceeded
	case failure != nil && failure.Class != "":
		o.Reason = failure.Class
	case state == StateTimeout:
		o.Reason = ClassTimeout
	case state == StateCancelled:
		o.Reason = ClassCancelled
	default:
		o.Reason = ClassError
	}
}

func (o *ObservedExecution) begin(started, created time.Time) {
	o.Started = started
	if o.Started.IsZero() {
		o.Started = created
	}
	if accepted := idTime(o.ID); o.Started.Before(accepted) {
		o.Started = accepted
	}
	o.Started = o.Started.UTC()
	o.beginTrace(o.ID)
	if o.TraceOwner == "" {
		o.TraceOwner = o.RID
	}
}

// idTime is the time in a UUIDv7, to the millisecond.
func idTime(id string) time.Time {
	if len(id) < len("01935f9e-7d5c") {
		return time.Time{}
	}
	ms, err := strconv.ParseInt(id[:8]+id[9:13], 16, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// ObservedWindow is how far back executions are observed if nobody says.
const ObservedWindow = 24 * time.Hour

// ObservedQuery asks for executions of a resource that are done.
type ObservedQuery struct {
	RID string
	// Start and End bound when the executions started: at or after Start, before
	// End. Zero: [ObservedWindow] ago, and now.
	Start, End time.Time
	// Where chooses among them. Nil: all.
	Where *ObservedFilter
	Limit int // 1 to [MaxObservedPage]; anything else is that
	// After is the Next of the page before, which was asked for with the same RID,
	// Start, End and Where. Empty: the first page.
	After string
}

// MaxObservedPage is how many executions are observed at once.
const MaxObservedPage = 100

// ObservedPage is a page of executions, those that started last first.
type ObservedPage struct {
	Executions []ObservedExecution
	// Next is the After of the next page; empty: this is the last. A page may be
	// short, or empty, and yet have a next: a filter that is expensive is looked
	// through in steps.
	Next string
}

// Observation is an [ObservedQuery] to a store.
type Observation struct {
	ID         string // of the function or job
	Job        bool
	Start, End time.Time // at or after Start, before End
	Where      *ObservedFilter
	Limit      int
	// From is where the page begins. Nil: at its End.
	From *ObservedPosition
}

// ObservedPosition is a place among the executions of a resource: what started
// before Start, and what started then with an ID that is not greater.
type ObservedPosition struct {
	Start time.Time
	ID    string
}

// ListExecutions gives a page of the executions of a function or job that are
// done, those that started last first. What is done when the first page is asked
// for is on exactly one page, whatever happens meanwhile, unless retention drops
// it; what ends later is on the pages to come if it started early enough.
//
// Errors: CodeNotFound if there is no such resource, CodeInvalidArgument if
// After or Where are not valid.
func (e *Engine) ListExecutions(ctx context.Context, tenant Tenant, q ObservedQuery) (page ObservedPage, err error) {
	id, job, ok := ParseRID(q.RID)
	if !ok {
		return page, NoResource(q.RID)
	}
	o := Observation{ID: id, Job: job, Start: q.Start, End: q.End, Where: q.Where, Limit: q.Limit}
	if o.Limit < 1 || o.Limit > MaxObservedPage {
		o.Limit = MaxObservedPage
	}
	if o.Where != nil {
		if err := o.Where.Validate(); err != nil {
			return page, err
		}
	}
	now := e.now()
	if o.Start.IsZero() {
		o.Start = now.Add(-ObservedWindow)
	}
	if o.End.IsZero() {
		o.End = now
	}
	if q.After != "" {
		if err := o.goOn(q.After); err != nil {
			return page, err
		}
	}
	err = e.look("engine.listexecutions", func() error {
		found, next, err := e.store.Observe(tenant, o)
		page.Executions = found
		if next != nil {
			page.Next = o.next(*next)
		}
		return err
	})
	return page, err
}

// NoResource is the error for a resource identifier that names nothing.
func NoResource(rid string) *Error {
	return Errorf(CodeNotFound, "there is no function and no job with the resource identifier %q", rid).
		WithHint("functions and jobs show theirs as rid")
}

package runtime

import (
	"time"
)

// SummaryStatus is how an execution that is done is told to those who observe a
// resource: what did not succeed has failed, and its failure reason says how.
type SummaryStatus string

// The statuses.
const (
	SummarySucceeded SummaryStatus = "SUCCEEDED"
	SummaryFailed    SummaryStatus = "FAILED"
)

// ExecutionSummary is what can be observed of an execution that is done: a run
// of a function, or an execution of a job.
type ExecutionSummary struct {
	ID string
	// RID is the resource that was executed, Version the version of the function
	// or the revision of the job.
	RID     string
	Version uint64
	Status  SummaryStatus
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
func (x *ExecutionSummary) Millis() int64 { return max(0, x.Duration.Milliseconds()) }

// Summary tells what can be observed of a run that is done.
func (x *Execution) Summary() ExecutionSummary {
	o := ExecutionSummary{
		ID: x.ID, RID: FunctionRID(x.FunctionID), Version: x.Version, Duration: x.Took(), Caller: x.Caller,
	}
	o.end(x.State, x.Failure)
	o.begin(x.Started, x.Created)
	return o
}

// Summary tells what can be observed of an execution that is done.
func (x *JobExecution) Summary() ExecutionSummary {
	o := ExecutionSummary{ID: x.ID, RID: JobRID(x.JobID), Version: x.Revision, Caller: x.Caller}
	if !x.Started.IsZero() {
		o.Duration = x.Finished.Sub(x.Started)
	}
	o.end(x.State, nil)
	o.begin(x.Started, x.Created)
	return o
}

func (o *ExecutionSummary) end(state State, failure *Failure) {
	o.Status = SummaryFailed
	switch {
	case state == StateSucceeded:
		o.Status = SummarySucceeded
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

func (o *ExecutionSummary) begin(started, created time.Time) {
	o.Started = started
	if o.Started.IsZero() {
		o.Started = created
	}
	if accepted := idTime(o.ID); o.Started.Before(accepted) {
		o.Started = accepted
	}
	o.Started = o.Started.UTC()
	o.BeginTrace(o.ID)
	if o.TraceOwner == "" {
		o.TraceOwner = o.RID
	}
}

// DefaultSearchWindow is how far back executions are observed if nobody says.
const DefaultSearchWindow = 24 * time.Hour

// SearchQuery asks for executions of a resource that are done.
type SearchQuery struct {
	RID string
	// Start and End bound when the executions started: at or after Start, before
	// End. Zero: [DefaultSearchWindow] ago, and now.
	Start, End time.Time
	// Where chooses among them. Nil: all.
	Where *SearchFilter
	Limit int // 1 to [MaxSearchPage]; anything else is that
	// After is the Next of the page before, which was asked for with the same RID,
	// Start, End and Where. Empty: the first page.
	After string
}

// MaxSearchPage is how many executions are observed at once.
const MaxSearchPage = 100

// SearchScan is an [SearchQuery] to a store.
type SearchScan struct {
	ID         string // of the function or job
	Job        bool
	Start, End time.Time // at or after Start, before End
	Where      *SearchFilter
	Limit      int
	// From is where the page begins. Nil: at its End.
	From *SearchPosition
}

// SearchPosition is a place among the executions of a resource: what started
// before Start, and what started then with an ID that is not greater.
type SearchPosition struct {
	Start time.Time
	ID    string
}

// NoResourceError is the error for a resource identifier that names nothing.
func NoResourceError(rid string) *Error {
	return Errorf(CodeNotFound, "there is no function and no job with the resource identifier %q", rid).
		WithHint("functions and jobs show theirs as rid")
}

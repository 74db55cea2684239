package runtime

import "time"

// SummaryStatus is the status of an execution that is done, as a search reports it: every
// execution that did not succeed has failed, with a failure reason.
type SummaryStatus string

// The statuses.
const (
	SummarySucceeded SummaryStatus = "SUCCEEDED"
	SummaryFailed    SummaryStatus = "FAILED"
)

// ExecutionSummary is what a search returns of an execution that is done: a run of a function, or
// an execution of a job.
type ExecutionSummary struct {
	ID string
	// RID is the resource that was executed, Version the version of the function or the revision
	// of the job.
	RID     string
	Version uint64
	Status  SummaryStatus
	// Reason is the class of the failure, empty if there was none.
	Reason Class
	// Started is the start, or the time of acceptance if the execution never started. It is never
	// before the time in the ID, even if the clock was set back.
	Started  time.Time
	Duration time.Duration // zero if it never started
	// Caller requested the execution. TraceID and TraceOwner are always set.
	Caller
}

// Millis returns the duration in whole milliseconds, rounded down, as it is reported and
// searched.
func (x *ExecutionSummary) Millis() int64 { return max(0, x.Duration.Milliseconds()) }

// Summary returns the summary of an execution that is done.
func (x *Execution) Summary() ExecutionSummary {
	s := ExecutionSummary{
		ID: x.ID, RID: FunctionRID(x.FunctionID), Version: x.Version, Duration: x.Duration(), Caller: x.Caller,
	}
	s.setEnd(x.State, x.Failure)
	s.setStart(x.Started, x.Created)
	return s
}

// Summary returns the summary of an execution of a job that is done.
func (x *JobExecution) Summary() ExecutionSummary {
	s := ExecutionSummary{ID: x.ID, RID: JobRID(x.JobID), Version: x.Revision, Caller: x.Caller}
	if !x.Started.IsZero() {
		s.Duration = x.Finished.Sub(x.Started)
	}
	s.setEnd(x.State, nil)
	s.setStart(x.Started, x.Created)
	return s
}

// setEnd sets Status and Reason.
func (x *ExecutionSummary) setEnd(state State, failure *Failure) {
	x.Status = SummaryFailed
	switch {
	case state == StateSucceeded:
		x.Status = SummarySucceeded
	case failure != nil && failure.Class != "":
		x.Reason = failure.Class
	case state == StateTimeout:
		x.Reason = ClassTimeout
	case state == StateCancelled:
		x.Reason = ClassCancelled
	default:
		x.Reason = ClassError
	}
}

// setStart sets Started, and the trace if there is none.
func (x *ExecutionSummary) setStart(started, created time.Time) {
	x.Started = started
	if x.Started.IsZero() {
		x.Started = created
	}
	if accepted := IDTime(x.ID); x.Started.Before(accepted) {
		x.Started = accepted
	}
	x.Started = x.Started.UTC()
	x.BeginTrace(x.ID)
	if x.TraceOwner == "" {
		x.TraceOwner = x.RID
	}
}

// DefaultSearchWindow is how far back a search without a start goes.
const DefaultSearchWindow = 24 * time.Hour

// SearchQuery is a search for executions of a function or job that are done.
type SearchQuery struct {
	RID string
	// Start and End bound the start of the executions: at or after Start, before End. Zero:
	// [DefaultSearchWindow] ago, and no bound.
	Start, End time.Time
	// Where selects executions. Nil: all.
	Where *SearchFilter
	Limit int // 1 to [MaxSearchPage]; any other value means MaxSearchPage
	// After is the Next of the previous page, which must have been requested with the same RID,
	// Start, End and Where. Empty: the first page.
	After string
}

// MaxSearchPage is the largest number of executions on a page of a search.
const MaxSearchPage = 100

// SearchScan is a [SearchQuery] to a store.
type SearchScan struct {
	ID         string // of the function or job
	Job        bool
	Start, End time.Time // at or after Start, before End
	Where      *SearchFilter
	Limit      int
	// From is the start of the page. Nil: the page starts at End.
	From *SearchPosition
}

// SearchPosition is a position among the executions of a function or job, in descending order of
// start and ID. It is followed by the executions that started before Start, and those that
// started at Start with an ID that is not greater than ID.
type SearchPosition struct {
	Start time.Time
	ID    string
}

// NoResourceError returns the error for a resource identifier that names nothing.
func NoResourceError(rid string) *Error {
	return Errorf(CodeNotFound, "there is no function and no job with the resource identifier %q", rid).
		WithHint("functions and jobs show their identifier as rid")
}

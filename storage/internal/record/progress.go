package record

import (
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// Progress is what changes while a job's execution is not done. There is no such record before the
// execution starts or is cancelled.
type Progress struct {
	started, updated time.Time
	cancel           bool // a cancellation was requested
	stats            statsRecord
}

// ProgressOf returns the progress of a job's execution.
func ProgressOf(x *runtime.JobExecution) Progress {
	s := x.Stats
	return Progress{x.Started, x.Updated, x.CancelRequested, statsRecord{s.Succeeded, s.Failed, s.TimedOut, s.Cancelled, s.Retried}}
}

// Apply sets the fields of x that the record holds.
func (r Progress) Apply(x *runtime.JobExecution) {
	x.Started, x.Updated, x.CancelRequested = r.started, r.updated, r.cancel
	s := r.stats
	x.Stats = runtime.TaskCounts{
		Total: x.Stats.Total, Succeeded: s.Succeeded, Failed: s.Failed, TimedOut: s.TimedOut, Cancelled: s.Cancelled, Retried: s.Retried,
	}
	switch {
	case r.cancel:
		x.State = runtime.StateCancelling
	case !r.started.IsZero():
		x.State = runtime.StateRunning
	}
}

// Encode returns the encoded record.
func (r Progress) Encode() []byte {
	f := newFieldWriter(EncodingFields, 40)
	f.time(r.started)
	f.time(r.updated)
	f.flag(r.cancel)
	for _, n := range []int{r.stats.Succeeded, r.stats.Failed, r.stats.TimedOut, r.stats.Cancelled, r.stats.Retried} {
		f.number(int64(n))
	}
	return f.value
}

// DecodeProgress decodes what Progress.Encode returns.
func DecodeProgress(value []byte) (r Progress, err error) {
	f := newFieldReader(value, EncodingFields)
	r.started = f.time()
	r.updated = f.time()
	r.cancel = f.flag()
	for _, n := range []*int{&r.stats.Succeeded, &r.stats.Failed, &r.stats.TimedOut, &r.stats.Cancelled, &r.stats.Retried} {
		*n = f.int()
	}
	return r, f.end()
}

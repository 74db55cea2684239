package ui

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
)

// ReportInterval is the shortest time between two progress lines in a log, unless the status
// changes.
const ReportInterval = 10 * time.Second

// JobProgress follows an execution of a job to its end, for a status line or for a log.
type JobProgress struct {
	log   io.Writer // gets progress lines; nil: none
	began time.Time // when the wait began

	mu        sync.Mutex
	view      jobView
	firstAt   time.Time // when the first answer arrived
	firstDone int       // tasks that were done then
	line      string    // last progress line
	lineAt    time.Time
}

// NewJobProgress returns the progress of an execution of a job before its first state is known.
// Every change is written to log as a line, unless log is nil.
func NewJobProgress(job, id string, log io.Writer) *JobProgress {
	return &JobProgress{view: jobView{job: job, id: id}, log: log, began: time.Now()}
}

// Update notes the present state of the execution.
func (p *JobProgress) Update(x client.JobExecution) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.firstAt.IsZero() {
		p.firstAt, p.firstDone = now, x.Stats.Ended()
	}
	changed := p.view.status != x.Status
	p.view.status, p.view.stats, p.view.lastErr = x.Status, x.Stats, nil
	// The rate changes only here: what has ended since the last answer is not known.
	if got, in := x.Stats.Ended()-p.firstDone, now.Sub(p.firstAt); got > 0 && in > 0 {
		p.view.perSecond = float64(got) / in.Seconds()
	}
	if p.log == nil || x.Status.Done() {
		return
	}
	if line := p.view.line(); line != p.line && (changed || now.Sub(p.lineAt) >= ReportInterval) {
		fmt.Fprintln(p.log, line)
		p.line, p.lineAt = line, now
	}
}

// Retrying notes that the server cannot be reached and is tried again.
func (p *JobProgress) Retrying(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.log != nil && p.view.lastErr == nil {
		fmt.Fprintf(p.log, "%s; trying again\n", clierror.Message(err))
	}
	p.view.lastErr = err
}

// Text renders the progress for a status line, in up to four lines.
func (p *JobProgress) Text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.view
	v.elapsed = time.Since(p.began)
	return v.table()
}

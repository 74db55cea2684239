package ui

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
)

// tellEvery is how often at most a log is told how an execution of a job stands.
const ReportEvery = 10 * time.Second

// executionProgress is what is known of an execution that is waited for.
type ExecutionProgress struct {
	Name  string // of the function
	Began time.Time

	mu      sync.Mutex
	at      client.Execution
	lastErr error
}

func (p *ExecutionProgress) Update(x client.Execution) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.lastErr = x, nil
}

func (p *ExecutionProgress) Retrying(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastErr = err
}

// text is what a status line says of it.
func (p *ExecutionProgress) Text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := secondsText(time.Since(p.Began))
	switch x := p.at; {
	case p.lastErr != nil:
		return clierror.Message(p.lastErr) + "; trying again, " + since
	case x.CancelRequested:
		return p.Name + " is being stopped, " + since
	case x.Status == client.StatusStarted && x.Attempts > 1:
		return fmt.Sprintf("%s runs, attempt %d, %s", p.Name, x.Attempts, since)
	case x.Status == client.StatusStarted:
		return p.Name + " runs, " + since
	case x.Attempts > 0:
		return fmt.Sprintf("%s waits for attempt %d, %s", p.Name, x.Attempts+1, since)
	}
	return p.Name + " waits for its turn, " + since
}

// jobProgress follows an execution of a job, for a status line or a log.
type JobProgress struct {
	Began time.Time
	Lines io.Writer // if set, gets a line when there is news

	mu       sync.Mutex
	View     JobView
	seen     time.Time // when the first answer came
	seenDone int       // tasks that were done then
	last     string    // line
	lastAt   time.Time
}

func (p *JobProgress) Update(x client.JobExecution) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.seen.IsZero() {
		p.seen, p.seenDone = now, x.Stats.Ended()
	}
	news := p.View.status != x.Status
	p.View.status, p.View.stats, p.View.err = x.Status, x.Stats, nil
	// Of now, for what has ended since is not known until the next answer.
	if got, in := x.Stats.Ended()-p.seenDone, now.Sub(p.seen); got > 0 && in > 0 {
		p.View.perSecond = float64(got) / in.Seconds()
	}
	if p.Lines == nil || x.Status.Done() {
		return
	}
	if line := p.View.line(); line != p.last && (news || now.Sub(p.lastAt) >= ReportEvery) {
		fmt.Fprintln(p.Lines, line)
		p.last, p.lastAt = line, now
	}
}

func (p *JobProgress) Retrying(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Lines != nil && p.View.err == nil {
		fmt.Fprintf(p.Lines, "%s; trying again\n", clierror.Message(err))
	}
	p.View.err = err
}

// text is what a status line says of it.
func (p *JobProgress) Text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.View
	v.elapsed = time.Since(p.Began)
	return v.table()
}

func TasksText(n int) string {
	if n == 1 {
		return "1 task"
	}
	return fmt.Sprintf("%d tasks", n)
}

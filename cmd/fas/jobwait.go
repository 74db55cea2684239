package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/runtime"
)

// tellEvery is how often at most a log is told how an execution of a job stands.
const tellEvery = 10 * time.Second

// awaitJob waits until an execution of a job is done, and shows a terminal how it
// stands meanwhile; what is none gets lines.
func (a *app) awaitJob(ctx context.Context, c *client.Client, job, id string, timeout seconds) (client.JobExecution, error) {
	waitCtx, stop := waitContext(ctx, timeout)
	defer stop()
	line := a.statusLine()
	defer line.clear()
	progress := jobProgress{view: jobView{job: job, id: id}, began: time.Now()}
	every := watchEvery
	if line == nil {
		progress.lines, every = a.stderr, tellEvery
	}
	line.say(progress.text)
	x, err := c.WaitJob(waitCtx, job, id, every, progress.told, progress.troubled)
	return x, resumable(err, fmt.Sprintf("%s waits again, %s stops it",
		a.command("jobs executions "+job+" "+id+" --wait"), a.command("jobs cancel "+job+" "+id)))
}

// jobProgress follows an execution of a job, for a status line or a log.
type jobProgress struct {
	began time.Time
	lines io.Writer // if set, gets a line when there is news

	mu       sync.Mutex
	view     jobView
	seen     time.Time // when the first answer came
	seenDone int       // tasks that were done then
	last     string    // line
	lastAt   time.Time
}

func (p *jobProgress) told(x client.JobExecution) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.seen.IsZero() {
		p.seen, p.seenDone = now, x.Stats.Ended()
	}
	news := p.view.status != x.Status
	p.view.status, p.view.stats, p.view.trouble = x.Status, x.Stats, nil
	// Of now, for what has ended since is not known until the next answer.
	if got, in := x.Stats.Ended()-p.seenDone, now.Sub(p.seen); got > 0 && in > 0 {
		p.view.perSecond = float64(got) / in.Seconds()
	}
	if p.lines == nil || x.Status.Done() {
		return
	}
	if line := p.view.line(); line != p.last && (news || now.Sub(p.lastAt) >= tellEvery) {
		fmt.Fprintln(p.lines, line)
		p.last, p.lastAt = line, now
	}
}

func (p *jobProgress) troubled(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lines != nil && p.view.trouble == nil {
		fmt.Fprintf(p.lines, "%s; trying again\n", problem(err))
	}
	p.view.trouble = err
}

// text is what a status line says of it.
func (p *jobProgress) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.view
	v.elapsed = time.Since(p.began)
	return v.table()
}

// awaitAndTellJob waits for the end of an execution and prints how its tasks
// ended; its error is that of the execution.
func (a *app) awaitAndTellJob(ctx context.Context, c *client.Client, job, id string, timeout seconds, asJSON bool) error {
	x, err := a.awaitJob(ctx, c, job, id, timeout)
	if err != nil {
		if !isTerminal(a.stdout) {
			_ = a.writeStarted(job, id, asJSON) // it is not lost with the waiting
		}
		return err
	}
	if asJSON {
		err = a.writeJSON(x)
	} else {
		err = writeJobSummary(a.stdout, x)
	}
	if err != nil {
		return err
	}
	return a.judgeJob(ctx, c, x)
}

func writeJobSummary(w io.Writer, x client.JobExecution) error {
	s, took := x.Stats, ""
	if x.Metadata.CompletedAt != nil {
		took = " in " + durationText(x.Metadata.CompletedAt.Sub(x.Metadata.CreatedAt))
	}
	_, err := fmt.Fprintf(w, "%s%s, %s: %d succeeded, %d failed, %d cancelled\n", x.Status, took, tasksText(s.Total), s.Success, s.Failure, s.Cancelled)
	return err
}

func tasksText(n int) string {
	if n == 1 {
		return "1 task"
	}
	return fmt.Sprintf("%d tasks", n)
}

// judgeJob tells of the tasks of an execution that did not succeed, and is an
// error unless the execution did.
func (a *app) judgeJob(ctx context.Context, c *client.Client, x client.JobExecution) error {
	job, id := x.Metadata.Job, x.Metadata.ID
	switch x.Status {
	case client.JobSucceeded:
		return nil
	case client.JobCancelled:
		return runtime.Errorf(codeUnsuccessful, "the execution was cancelled; %d of %s succeeded", x.Stats.Success, tasksText(x.Stats.Total)).
			WithHint(a.command("jobs tasks "+job+" "+id) + " lists them")
	}
	told := 0
	err := c.Tasks(ctx, job, id, func(page []client.Task) error {
		for _, t := range page {
			if t.Status != client.TaskFailed {
				continue
			}
			if told++; told > toldFailures {
				return errEnough
			}
			_, message := t.Failure()
			fmt.Fprintf(a.stderr, "%s: %s\n", t.Metadata.Name, oneLine(message))
			if told == x.Stats.Failure {
				return errEnough
			}
		}
		return nil
	})
	// That they cannot be listed is not what is wrong with the execution.
	if more := x.Stats.Failure - toldFailures; more > 0 && errors.Is(err, errEnough) {
		fmt.Fprintf(a.stderr, "and %d more\n", more)
	}
	return runtime.Errorf(codeUnsuccessful, "%d of %s did not succeed", x.Stats.Total-x.Stats.Success, tasksText(x.Stats.Total)).
		WithHint(fmt.Sprintf("%s lists them, %s shows what one wrote",
			a.command("jobs tasks "+job+" "+id+" --status failed"), a.command("jobs logs "+job+" "+id+" TASK")))
}

package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// JobRun asks for an execution of a job. Empty fields are left to the job.
type JobRun struct {
	Tasks       []json.RawMessage `json:"tasks"`                 // objects, the args of each task
	Name        string            `json:"executionId,omitempty"` // what it is to be called
	ID          string            `json:"id,omitempty"`          // the same request with the same id is accepted once
	Env         map[string]string `json:"env,omitempty"`
	Memory      int64             `json:"memory,omitempty"` // MB
	Parallelism int               `json:"parallelism,omitempty"`
	AllowQueue  *bool             `json:"allowQueue,omitempty"` // false: refused if it cannot start now
}

func jobExecutionsPath(job string) string { return jobPath(job) + "/executions" }

func jobExecutionPath(job, id string) string {
	return jobExecutionsPath(job) + "/" + url.PathEscape(id)
}

// RunJob has an execution of a job accepted, and gives what it is called. When it
// returns, the execution is on the server's disk.
func (c *Client) RunJob(ctx context.Context, job string, r JobRun) (id string, err error) {
	body, err := encode(r)
	if err != nil {
		return "", err
	}
	var created struct {
		ExecutionID string `json:"executionId"`
	}
	return created.ExecutionID, c.sendJob(ctx, http.MethodPost, jobExecutionsPath(job), body, &created)
}

// JobExecution gets an execution of a job as it stands.
func (c *Client) JobExecution(ctx context.Context, job, id string) (JobExecution, error) {
	return c.jobExecution(ctx, job, id, 0)
}

func (c *Client) jobExecution(ctx context.Context, job, id string, wait time.Duration) (x JobExecution, err error) {
	path := jobExecutionPath(job, id)
	if wait > 0 {
		path += "?wait=" + strconv.FormatFloat(wait.Seconds(), 'g', -1, 64)
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, wait+answerTime, c.silent())
		defer stop()
	}
	return x, c.get(ctx, path, &x)
}

// JobExecutions gives executions of a job to page as [Client.ListExecutions] does.
func (c *Client) JobExecutions(ctx context.Context, job string, limit int, page func([]JobExecution) error) (more bool, err error) {
	return listJobs(ctx, c, jobExecutionsPath(job), url.Values{}, jobExecutionPage, limit, page)
}

// Tasks gives all tasks of an execution to page, in order, a page at a time.
func (c *Client) Tasks(ctx context.Context, job, id string, page func([]Task) error) error {
	_, err := listJobs(ctx, c, jobExecutionPath(job, id)+"/tasks", url.Values{"sort": {"createdAt:asc"}}, jobPage, 0, page)
	return err
}

// Task gets one task of an execution by its index.
func (c *Client) Task(ctx context.Context, job, id string, index int) (Task, error) {
	name := TaskName(index)
	var found []Task
	// It is the first one whose name contains it, for they come in order.
	_, err := listJobs(ctx, c, jobExecutionPath(job, id)+"/tasks", url.Values{"sort": {"createdAt:asc"}, "q": {name}}, jobPage, 1,
		func(page []Task) error {
			found = page
			return nil
		})
	if err != nil {
		return Task{}, err
	}
	if i := slices.IndexFunc(found, func(t Task) bool { return t.Metadata.Name == name }); i >= 0 {
		return found[i], nil
	}
	return Task{}, runtime.Errorf(runtime.CodeNotFound, "the execution %s has no %s", id, name).
		WithHint("its tasks are numbered from 0")
}

// CancelJobExecution cancels an execution: tasks that run go on to their ends, no
// new ones start. It gives the execution as it stands then.
func (c *Client) CancelJobExecution(ctx context.Context, job, id string) (x JobExecution, err error) {
	return x, c.sendJob(ctx, http.MethodDelete, jobExecutionPath(job, id), nil, &x)
}

// WaitJob waits until an execution of a job is done, as [Client.Wait] does for
// others: every says how often told is told how it stands while nothing happens.
func (c *Client) WaitJob(ctx context.Context, job, id string, every time.Duration, told func(JobExecution), trouble func(error)) (JobExecution, error) {
	first := min(every, firstEvery)
	again := retrier{Trouble: trouble}
	for {
		asked := time.Now()
		x, err := c.jobExecution(ctx, job, id, first)
		if err != nil {
			if err := again.failed(ctx, err); err != nil {
				return JobExecution{}, err
			}
			continue
		}
		again.fine()
		told(x)
		if x.Status.Done() {
			return x, nil
		}
		if early := min(leastEvery, first) - time.Since(asked); early > 0 {
			if err := pause(ctx, early); err != nil {
				return JobExecution{}, err
			}
		}
		first = every
	}
}

// Triggered is the answer of a trigger: the execution, with results, of one that
// waits for the end; of others the name alone of what it has started.
type Triggered struct {
	ID        string
	Execution *JobExecution
}

// TriggerJob calls a trigger of a job by its path, with a body of JSON, nil for
// none.
func (c *Client) TriggerJob(ctx context.Context, job, path string, body []byte) (t Triggered, err error) {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	a, err := c.do(ctx, request{method: http.MethodPost, path: jobPath(job) + "/triggers/" + strings.Join(segments, "/"), body: body})
	if err != nil {
		return t, err
	}
	var got struct {
		ExecutionID string `json:"executionId"`
		JobExecution
	}
	if err := c.decode(a, &got); err != nil {
		return t, err
	}
	if t.ID = got.ExecutionID; t.ID == "" {
		t.ID, t.Execution = got.Metadata.ID, &got.JobExecution
	}
	return t, nil
}

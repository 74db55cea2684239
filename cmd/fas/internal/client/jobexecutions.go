package client

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

func jobExecutionsPath(job string) string { return jobPath(job) + "/executions" }

func jobExecutionPath(job, id string) string {
	return jobExecutionsPath(job) + "/" + url.PathEscape(id)
}

// RunJob starts an execution of a job and returns its id. When it returns, the execution is on the
// server's disk.
func (c *Client) RunJob(ctx context.Context, job string, r JobRun) (id string, err error) {
	body, err := encode(r)
	if err != nil {
		return "", err
	}
	var started wire.StartJobResponse
	err = c.sendJob(ctx, http.MethodPost, jobExecutionsPath(job), body, &started)
	return started.ExecutionID, err
}

// JobExecution returns an execution of a job in its current state.
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

// JobExecutions calls page with executions of a job, as [Client.ListExecutions] does.
func (c *Client) JobExecutions(ctx context.Context, job string, limit int, page func([]JobExecution) error) (more bool, err error) {
	return listJobs(ctx, c, jobExecutionsPath(job), url.Values{}, jobExecutionPage, limit, page)
}

// Tasks calls page with all tasks of an execution, in the order of their indexes.
func (c *Client) Tasks(ctx context.Context, job, id string, page func([]Task) error) error {
	_, err := listJobs(ctx, c, jobExecutionPath(job, id)+"/tasks", url.Values{"sort": {"createdAt:asc"}}, jobPage, 0, page)
	return err
}

// Task returns one task of an execution.
func (c *Client) Task(ctx context.Context, job, id string, index int) (Task, error) {
	name := TaskName(index)
	var found []Task
	// The query finds all names that contain this one, in order, and this one is the first.
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

// CancelJobExecution cancels an execution and returns its state then. Running tasks finish; no new
// ones start.
func (c *Client) CancelJobExecution(ctx context.Context, job, id string) (x JobExecution, err error) {
	return x, c.sendJob(ctx, http.MethodDelete, jobExecutionPath(job, id), nil, &x)
}

// TaskMap returns the states of all tasks of an execution, a letter for each.
func (c *Client) TaskMap(ctx context.Context, job, id string) (string, error) {
	var m wire.TaskMap
	err := c.get(ctx, jobExecutionPath(job, id)+"/taskmap", &m)
	return m.Tasks, err
}

// RerunJob repeats tasks of an execution, "failed" or "unsuccessful" ones, and returns the id of the new
// execution.
func (c *Client) RerunJob(ctx context.Context, job, id, tasks, key string) (string, error) {
	body, err := encode(struct {
		Tasks string `json:"tasks"`
	}{tasks})
	if err != nil {
		return "", err
	}
	o := RunOptions{IdempotencyKey: key}
	a, err := c.do(ctx, request{method: http.MethodPost, path: jobExecutionPath(job, id) + "/rerun", body: body, header: o.header()})
	if err != nil {
		return "", err
	}
	var started wire.StartJobResponse
	err = c.decode(a, &started)
	return started.ExecutionID, err
}

// WaitJob waits until an execution of a job is done, as [Client.Wait] does for other executions. It
// calls onState with the current state, at least once per every, and onError with the error each
// time the server cannot be reached.
func (c *Client) WaitJob(ctx context.Context, job, id string, every time.Duration, onState func(JobExecution), onError func(error)) (JobExecution, error) {
	first := min(every, firstEvery)
	again := retrier{OnError: onError}
	for {
		sent := time.Now()
		x, err := c.jobExecution(ctx, job, id, first)
		if err != nil {
			if err := again.failed(ctx, err); err != nil {
				return JobExecution{}, err
			}
			continue
		}
		again.fine()
		onState(x)
		if x.Status.Done() {
			return x, nil
		}
		if early := min(leastEvery, first) - time.Since(sent); early > 0 {
			if err := pause(ctx, early); err != nil {
				return JobExecution{}, err
			}
		}
		first = every
	}
}

// Triggered is the answer of a trigger. Execution, with results, is nil unless the trigger waits
// for the end.
type Triggered struct {
	ID        string
	Execution *JobExecution
}

// TriggerJob calls the trigger of a job with the path. body is JSON, nil for none.
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

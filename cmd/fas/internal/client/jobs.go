package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/faaspot/faaspot/runtime"
)

const (
	jobsPath = "/v0/jobs"
	// jobsVersion is the version of the API for jobs from which on its lists have
	// pages with cursors.
	jobsVersion = "2026-04-28"
	// jobPage is how many jobs or tasks are asked for at once, the most that a
	// server gives, jobExecutionPage how many executions.
	jobPage          = 200
	jobExecutionPage = 100
)

func jobPath(name string) string { return jobsPath + "/" + url.PathEscape(name) }

// sendJob sends a body, nil for none, and reads the answer into v.
func (c *Client) sendJob(ctx context.Context, method, path string, body []byte, v any) error {
	a, err := c.do(ctx, request{method: method, path: path, body: body})
	if err != nil {
		return err
	}
	return c.decode(a, v)
}

// Job gets a job.
func (c *Client) Job(ctx context.Context, name string) (j Job, err error) {
	return j, c.get(ctx, jobPath(name), &j)
}

// Jobs lists all jobs by name.
func (c *Client) Jobs(ctx context.Context) ([]Job, error) {
	all := []Job{}
	_, err := listJobs(ctx, c, jobsPath, url.Values{"sort": {"name:asc"}}, jobPage, 0, func(page []Job) error {
		all = append(all, page...)
		return nil
	})
	return all, err
}

// Change is what became of a job that was applied.
type Change string

// The changes.
const (
	JobCreated   Change = "created"
	JobChanged   Change = "changed"
	JobUnchanged Change = "unchanged"
)

// ApplyJob makes a job what body says, which is JSON as [Job] has it: it creates
// or updates it. Doing so again changes nothing.
func (c *Client) ApplyJob(ctx context.Context, name string, body []byte) (j Job, change Change, err error) {
	old, err := c.Job(ctx, name)
	if runtime.CodeOf(err) == runtime.CodeNotFound {
		err = c.sendJob(ctx, http.MethodPost, jobsPath, body, &j)
		if runtime.CodeOf(err) != runtime.CodeAlreadyExists {
			return j, JobCreated, err
		}
		old, err = c.Job(ctx, name) // somebody was faster
	}
	if err != nil {
		return j, "", err
	}
	if err = c.sendJob(ctx, http.MethodPut, jobPath(name), body, &j); err != nil {
		return j, "", err
	}
	if j.Spec.Revision == old.Spec.Revision && j.Metadata.UpdatedAt.Equal(old.Metadata.UpdatedAt) {
		return j, JobUnchanged, nil
	}
	return j, JobChanged, nil
}

// DeleteJob removes a job, and gives it as it was.
func (c *Client) DeleteJob(ctx context.Context, name string) (j Job, err error) {
	return j, c.sendJob(ctx, http.MethodDelete, jobPath(name), nil, &j)
}

// JobRevisions lists the kept revisions of a job, newest first.
func (c *Client) JobRevisions(ctx context.Context, name string) (all []JobRevision, err error) {
	return all, c.get(ctx, jobPath(name)+"/revisions", &all)
}

// RollbackJob makes what a kept revision says the job's newest revision.
func (c *Client) RollbackJob(ctx context.Context, name, revision string) (j Job, err error) {
	var body struct {
		Spec struct {
			Revision struct {
				Active string `json:"active"`
			} `json:"revision"`
		} `json:"spec"`
	}
	body.Spec.Revision.Active = revision
	data, err := encode(body)
	if err != nil {
		return j, err
	}
	return j, c.sendJob(ctx, http.MethodPut, jobPath(name), data, &j)
}

// listJobs gives the elements of a list of the API for jobs to page, a page at a
// time: all, or limit of them if that is not zero. It tells whether there are
// more.
func listJobs[T any](ctx context.Context, c *Client, path string, query url.Values, most, limit int, page func([]T) error) (more bool, err error) {
	left := limit
	for {
		size := most
		if limit > 0 {
			size = min(size, left)
		}
		query.Set("limit", strconv.Itoa(size))
		a, err := c.do(ctx, request{
			method: http.MethodGet, path: path + "?" + query.Encode(),
			header: map[string]string{"Blaxel-Version": jobsVersion},
		})
		if err != nil {
			return false, err
		}
		var got struct {
			Data []T `json:"data"`
			Meta struct {
				HasMore    bool   `json:"hasMore"`
				NextCursor string `json:"nextCursor"`
			} `json:"meta"`
		}
		if err := c.decode(a, &got); err != nil {
			return false, err
		}
		if err := page(got.Data); err != nil || !got.Meta.HasMore || got.Meta.NextCursor == "" {
			return false, err
		}
		if left -= len(got.Data); limit > 0 && left <= 0 {
			return true, nil
		}
		query.Set("cursor", got.Meta.NextCursor)
	}
}

package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

const (
	jobsPath = "/v0/jobs"
	// jobsVersion is the first version of the API for jobs whose lists have pages with cursors.
	jobsVersion = "2026-04-28"
	// jobPage is how many jobs or tasks one request lists, and jobExecutionPage how many
	// executions: the most that a server returns.
	jobPage          = 200
	jobExecutionPage = 100
)

func jobPath(name string) string { return jobsPath + "/" + url.PathEscape(name) }

// sendJob sends a body, nil for none, and decodes the answer into v.
func (c *Client) sendJob(ctx context.Context, method, path string, body []byte, v any) error {
	a, err := c.do(ctx, request{method: method, path: path, body: body})
	if err != nil {
		return err
	}
	return c.decode(a, v)
}

// Job returns a job.
func (c *Client) Job(ctx context.Context, name string) (j Job, err error) {
	return j, c.get(ctx, jobPath(name), &j)
}

// Jobs returns all jobs in the order of their names.
func (c *Client) Jobs(ctx context.Context) ([]Job, error) {
	all := []Job{}
	_, err := listJobs(ctx, c, jobsPath, url.Values{"sort": {"name:asc"}}, jobPage, 0, func(page []Job) error {
		all = append(all, page...)
		return nil
	})
	return all, err
}

// Change is the outcome of [Client.ApplyJob].
type Change string

// The changes.
const (
	JobCreated   Change = "created"
	JobChanged   Change = "changed"
	JobUnchanged Change = "unchanged"
)

// ApplyJob creates or updates a job according to body, which has the JSON form of [Job]. To apply
// the same body again changes nothing.
func (c *Client) ApplyJob(ctx context.Context, name string, body []byte) (j Job, change Change, err error) {
	old, err := c.Job(ctx, name)
	if runtime.CodeOf(err) == runtime.CodeNotFound {
		err = c.sendJob(ctx, http.MethodPost, jobsPath, body, &j)
		if runtime.CodeOf(err) != runtime.CodeAlreadyExists {
			return j, JobCreated, err
		}
		old, err = c.Job(ctx, name) // another client was faster
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

// DeleteJob removes a job and returns its last state.
func (c *Client) DeleteJob(ctx context.Context, name string) (j Job, err error) {
	return j, c.sendJob(ctx, http.MethodDelete, jobPath(name), nil, &j)
}

// JobRevisions returns the stored revisions of a job, newest first.
func (c *Client) JobRevisions(ctx context.Context, name string) (all []JobRevision, err error) {
	return all, c.get(ctx, jobPath(name)+"/revisions", &all)
}

// RollbackJob makes the spec of a stored revision the newest revision of a job.
func (c *Client) RollbackJob(ctx context.Context, name, revision string) (j Job, err error) {
	var body wire.RollbackRequest
	body.Spec.Revision.Active = revision
	data, err := encode(body)
	if err != nil {
		return j, err
	}
	return j, c.sendJob(ctx, http.MethodPut, jobPath(name), data, &j)
}

// listJobs calls page with the elements of a list of the API for jobs, a page at a time: with all
// of them, or with limit of them if limit is not zero. It reports whether there are more.
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
		var got wire.Page[T]
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

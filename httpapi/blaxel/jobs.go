package blaxel

import (
	"maps"
	"slices"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

const (
	defaultJobs = 50
	maxJobs     = 200
	// maxAllJobs bounds the jobs in a response that has all of them, in bytes.
	maxAllJobs = 16 * runtime.MiB
)

// sizeOf returns the approximate size of a job in a response, in bytes.
func sizeOf(j *runtime.Job) int {
	const fields, item = 1024, 256 // of the job itself, and of each trigger, label and variable
	n := fields + item*(len(j.Spec.Triggers)+len(j.Labels)+len(j.Spec.Env))
	for key, value := range j.Labels {
		n += len(key) + len(value)
	}
	for i := range j.Spec.Env {
		n += len(j.Spec.Env[i].Name) + len(j.Spec.Env[i].Value)
	}
	for i := range j.Spec.Triggers {
		for _, task := range j.Spec.Triggers[i].Tasks {
			n += len(task)
		}
	}
	return n
}

// listJobs answers with all jobs, newest first, or with a page of them.
func (a *api) listJobs(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	base := a.URL(ctx)
	render := func(j *runtime.Job) jobResponse { return renderJob(base, j) }
	if !isPaged(ctx) {
		all, size := []jobResponse{}, 0
		request := runtime.PageRequest{Limit: runtime.MaxPage, Uncounted: true}
		for {
			page, err := a.engine().ListJobs(a.Context(), tenant, request)
			if err != nil {
				return err
			}
			for i := range page.Items {
				size += sizeOf(&page.Items[i])
				all = append(all, render(&page.Items[i]))
			}
			if size > maxAllJobs {
				return runtime.Errorf(runtime.CodeTooLarge, "the jobs have more than %d MiB, too much for one response", maxAllJobs/runtime.MiB).
					WithHint("list them in pages: send the header Blaxel-Version: 2026-04-28, and the meta.nextCursor of each page as ?cursor=")
			}
			if request.After = page.Next; request.After == "" {
				return web.WriteValue(ctx, all)
			}
		}
	}
	query := ctx.QueryArgs()
	for _, name := range []string{"anchor", "status"} {
		if query.Has(name) {
			return runtime.Errorf(runtime.CodeInvalidArgument, "jobs cannot be filtered by %s", name).WithHint("leave it out")
		}
	}
	limit, err := intParam(query, "limit", defaultJobs, 1, anyLimit)
	if err != nil {
		return err
	}
	l := list{tenant: tenant, of: "jobs"}
	request, err := l.parsePage(query, runtime.SortCreatedDesc, min(limit, maxJobs))
	if err != nil {
		return err
	}
	page, err := a.engine().ListJobs(a.Context(), tenant, request)
	if err != nil {
		return err
	}
	return web.WriteValue(ctx, renderPage(&l, page, render))
}

func (a *api) createJob(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	body, err := parseJob(ctx.Request.Body())
	if err != nil {
		return err
	}
	if body.job.Name == "" {
		return runtime.Errorf(runtime.CodeInvalidArgument, "metadata.name is missing")
	}
	body.job.Tenant, body.job.CreatedBy = tenant, web.UserID(ctx)
	j, err := a.engine().CreateJob(a.Context(), body.job)
	if err != nil {
		return err
	}
	return web.WriteValue(ctx, renderChanged(a.URL(ctx), &j, &body.job, nil))
}

// updateJob replaces a job, or restores a former revision of it.
func (a *api) updateJob(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	body, err := parseJob(ctx.Request.Body())
	if err != nil {
		return err
	}
	if body.job.Name != "" && body.job.Name != name {
		return runtime.Errorf(runtime.CodeInvalidArgument, "metadata.name is not the name in the path").
			WithHint("a job keeps its name: create another one, or leave metadata.name out")
	}
	before, err := a.engine().GetJob(a.Context(), tenant, name)
	if err != nil {
		return err
	}
	if body.rollback {
		return a.rollbackJob(ctx, &before, body)
	}
	if current := strconv.FormatUint(before.Revision, 10); body.active != "" && body.active != current {
		return runtime.Errorf(runtime.CodeConflict, "the job is at revision %s, and spec.revision.active is %s", current, body.active).
			WithHint("get the job again and apply the change to it; to restore a revision, send spec.revision.active and nothing else in spec")
	}
	body.job.Tenant, body.job.Name, body.job.UpdatedBy = tenant, name, web.UserID(ctx)
	j, err := a.engine().UpdateJob(a.Context(), body.job)
	if err != nil {
		return err
	}
	return web.WriteValue(ctx, renderChanged(a.URL(ctx), &j, &body.job, &before))
}

func (a *api) rollbackJob(ctx *fasthttp.RequestCtx, before *runtime.Job, body jobBody) error {
	if requested := body.job; requested.DisplayName != "" && requested.DisplayName != before.DisplayName ||
		requested.Labels != nil && !maps.Equal(requested.Labels, before.Labels) {
		return runtime.Errorf(runtime.CodeInvalidArgument, "a rollback does not change the display name and the labels").
			WithHint("leave them out")
	}
	number, err := parseRevision(body.active)
	if err != nil {
		return err
	}
	j, err := a.engine().RollbackJob(a.Context(), before.Tenant, before.Name, number, web.UserID(ctx))
	return a.writeJob(ctx, j, err)
}

// renderChanged renders a job that a request created or updated, with the secrets that the engine
// generated for it. No other answer has them.
func renderChanged(base string, j, requested, before *runtime.Job) jobResponse {
	response := renderJob(base, j)
	for i, t := range j.Spec.Triggers {
		kept := before != nil && slices.ContainsFunc(before.Spec.Triggers, func(old runtime.Trigger) bool {
			return old.CallbackSecret == t.CallbackSecret
		})
		if t.CallbackSecret != "" && requested.Spec.Triggers[i].CallbackSecret == "" && !kept {
			response.Spec.Triggers[i].Configuration.CallbackSecret = t.CallbackSecret
		}
	}
	return response
}

func (a *api) getJob(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	j, err := a.engine().GetJob(a.Context(), tenant, name)
	return a.writeJob(ctx, j, err)
}

func (a *api) deleteJob(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	j, err := a.engine().DeleteJob(a.Context(), tenant, name)
	return a.writeJob(ctx, j, err)
}

func (a *api) writeJob(ctx *fasthttp.RequestCtx, j runtime.Job, err error) error {
	if err != nil {
		return err
	}
	return web.WriteValue(ctx, renderJob(a.URL(ctx), &j))
}

func (a *api) listRevisions(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	all, err := a.engine().ListJobRevisions(a.Context(), tenant, name)
	if err != nil {
		return err
	}
	return web.WriteValue(ctx, renderRevisions(all))
}

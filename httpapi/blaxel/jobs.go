package blaxel

import (
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

const (
	defaultJobs = 50
	maxJobs     = 200
)

// listJobs answers with all jobs, newest first, or with a page of them.
func (a *api) listJobs(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	base := a.URL(ctx)
	render := func(j *runtime.Job) jobResponse { return renderJob(base, j) }
	if !isPaged(ctx) {
		page, err := web.Collect(a.Host, ctx, runtime.PageRequest{Limit: math.MaxInt32}, 0, a.fetchJobs(tenant), jobSize, render)
		switch {
		case err != nil:
			return err
		case page.Next != "":
			return runtime.Errorf(runtime.CodeTooLarge, "the list of all jobs is too large for one response").
				WithHint("send the header " + headerVersion + ": " + pagedSince + ", and get the jobs page by page")
		case page.Items == nil:
			page.Items = []jobResponse{}
		}
		return web.WriteValue(ctx, page.Items)
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
	page, err := web.Collect(a.Host, ctx, request, 0, a.fetchJobs(tenant), jobSize, render)
	if err != nil {
		return err
	}
	return web.WriteValue(ctx, renderPage(&l, page, func(j *jobResponse) jobResponse { return *j }))
}

// fetchJobs returns the function that reads pages of jobs.
func (a *api) fetchJobs(tenant runtime.Tenant) func(runtime.PageRequest) (runtime.Page[runtime.Job], error) {
	return func(r runtime.PageRequest) (runtime.Page[runtime.Job], error) {
		return a.engine().ListJobs(a.Context(), tenant, r)
	}
}

// jobBytes bounds a job in memory, in bytes.
const jobBytes = runtime.MaxTriggerTasks + runtime.MaxEnv + 64*runtime.KiB

// jobSize returns the size of a job in memory and in an answer, in bytes.
func jobSize(j *runtime.Job) (read, kept int) {
	n := 2 * runtime.KiB
	for _, v := range j.Spec.Env {
		n += len(v.Name) + len(v.Value) + 64
	}
	for i := range j.Spec.Triggers {
		for _, task := range j.Spec.Triggers[i].Tasks {
			n += len(task)
		}
	}
	return n, n
}

func (a *api) createJob(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	// The job is decoded, encoded for the store and rendered.
	if err := a.TakeCopies(ctx, 2); err != nil {
		return err
	}
	body, err := parseJob(ctx.Request.Body())
	if e, ok := runtime.AsError(err); body.job.Name == "" && (!ok || e.Path != "") {
		var all runtime.Errors
		all.Add("", err)
		all.Add("metadata.name", runtime.Errorf(runtime.CodeInvalidArgument, "metadata.name is missing"))
		err = all.Err()
	}
	if err != nil {
		return a.allWrong(tenant, &body.job, err)
	}
	body.job.Tenant, body.job.CreatedBy = tenant, web.UserID(ctx)
	j, err := a.engine().CreateJob(a.Context(), body.job)
	if err != nil {
		return err
	}
	web.SetSubject(ctx, web.Subject{Name: j.Name, ID: j.ID})
	return web.WriteValue(ctx, renderChanged(a.URL(ctx), &j, &body.job, nil))
}

// allWrong returns err, about what cannot be read of a job, with all else that is wrong with it.
func (a *api) allWrong(tenant runtime.Tenant, j *runtime.Job, err error) error {
	if e, ok := runtime.AsError(err); !ok || e.Path == "" {
		return err // nothing could be read
	}
	var all runtime.Errors
	all.Add("", err)
	addInvalid(&all, j)
	if runtime.ValidateName(j.Spec.Function) == nil {
		_, err := a.engine().GetFunction(a.Context(), tenant, j.Spec.Function)
		if runtime.CodeOf(err) == runtime.CodeNotFound {
			all.Add("spec.function", runtime.NoFunctionOfJobError(j.Spec.Function))
		}
	}
	return all.Err()
}

// updateJob replaces a job, or restores a former revision of it.
func (a *api) updateJob(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	// The job is decoded, encoded for the store and rendered.
	if err := a.TakeCopies(ctx, 2); err != nil {
		return err
	}
	body, err := parseJob(ctx.Request.Body())
	if err != nil {
		body.job.Name = name
		return a.allWrong(tenant, &body.job, err)
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
	// The job is in memory, in the answer, and once more while the answer grows.
	if err := a.Reserve(ctx, 3*jobBytes); err != nil {
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
	if err := a.Reserve(ctx, runtime.KeptRevisions*jobBytes); err != nil {
		return err
	}
	all, err := a.engine().ListJobRevisions(a.Context(), tenant, name)
	if err != nil {
		return err
	}
	return web.WriteValue(ctx, renderRevisions(all))
}

package httpapi

import (
	"maps"
	"slices"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

const (
	defaultJobs = 50
	maxJobs     = 200
)

// listJobs answers all jobs, newest first, or a page.
func (s *Server) listJobs(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	tell := func(j *runtime.Job) toldJob { return tellJob(s.baseURL(ctx), j) }
	if !isPaged(ctx) {
		all := []toldJob{}
		asked := runtime.PageRequest{Limit: runtime.MaxPage}
		for {
			page, err := s.engine().ListJobs(s.runs, tenant, asked)
			if err != nil {
				return err
			}
			for i := range page.Items {
				all = append(all, tell(&page.Items[i]))
			}
			if asked.After = page.Next; asked.After == "" {
				return writeValue(ctx, all)
			}
		}
	}
	query := ctx.QueryArgs()
	for _, name := range []string{"anchor", "status"} {
		if query.Has(name) {
			return runtime.Errorf(runtime.CodeInvalidArgument, "jobs are not listed by %s here", name).WithHint("leave it out")
		}
	}
	limit, err := numberIn(query, "limit", defaultJobs, 1, manyJobs)
	if err != nil {
		return err
	}
	list := jobList{tenant: tenant, of: "jobs"}
	if err := list.order(query, runtime.SortCreatedDesc); err != nil {
		return err
	}
	asked, err := list.listing(query, min(limit, maxJobs))
	if err != nil {
		return err
	}
	page, err := s.engine().ListJobs(s.runs, tenant, asked)
	if err != nil {
		return err
	}
	return writeValue(ctx, tellPage(&list, page, tell))
}

func (s *Server) createJob(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	body, err := parseJob(ctx.Request.Body())
	if err != nil {
		return err
	}
	if body.job.Name == "" {
		return runtime.Errorf(runtime.CodeInvalidArgument, "metadata.name is missing")
	}
	body.job.Tenant, body.job.CreatedBy = tenant, userID(ctx)
	j, err := s.engine().CreateJob(s.runs, body.job)
	if err != nil {
		return err
	}
	return writeValue(ctx, s.tellChanged(ctx, &j, &body.job, nil))
}

// updateJob replaces what a job is, or makes a former revision of it the current
// one.
func (s *Server) updateJob(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
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
	before, err := s.engine().GetJob(s.runs, tenant, name)
	if err != nil {
		return err
	}
	if body.alone && body.active != "" {
		return s.rollbackJob(ctx, &before, body)
	}
	if current := strconv.FormatUint(before.Revision, 10); body.active != "" && body.active != current {
		return runtime.Errorf(runtime.CodeConflict, "the job is at revision %s, and spec.revision.active is %s", current, body.active).
			WithHint("get the job and change it as it is by now; to go back to a revision, send spec.revision.active and nothing else in spec")
	}
	body.job.Tenant, body.job.Name, body.job.UpdatedBy = tenant, name, userID(ctx)
	j, err := s.engine().UpdateJob(s.runs, body.job)
	if err != nil {
		return err
	}
	return writeValue(ctx, s.tellChanged(ctx, &j, &body.job, &before))
}

func (s *Server) rollbackJob(ctx *fasthttp.RequestCtx, before *runtime.Job, body jobBody) error {
	if asked := body.job; asked.DisplayName != "" && asked.DisplayName != before.DisplayName ||
		asked.Labels != nil && !maps.Equal(asked.Labels, before.Labels) {
		return runtime.Errorf(runtime.CodeInvalidArgument, "a rollback does not change the display name and the labels").
			WithHint("leave them out")
	}
	number, err := parseRevision(body.active)
	if err != nil {
		return err
	}
	j, err := s.engine().RollbackJob(s.runs, before.Tenant, before.Name, number, userID(ctx))
	if err != nil {
		return err
	}
	return writeValue(ctx, tellJob(s.baseURL(ctx), &j))
}

// tellChanged tells of a job that is now as a request asked, and of secrets that
// were drawn for it: no other answer has them.
func (s *Server) tellChanged(ctx *fasthttp.RequestCtx, j, asked, before *runtime.Job) toldJob {
	told := tellJob(s.baseURL(ctx), j)
	for i, t := range j.Spec.Triggers {
		kept := before != nil && slices.ContainsFunc(before.Spec.Triggers, func(old runtime.Trigger) bool {
			return old.CallbackSecret == t.CallbackSecret
		})
		if t.CallbackSecret != "" && asked.Spec.Triggers[i].CallbackSecret == "" && !kept {
			told.Spec.Triggers[i].Configuration.CallbackSecret = t.CallbackSecret
		}
	}
	return told
}

func (s *Server) getJob(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	j, err := s.engine().GetJob(s.runs, tenant, name)
	if err != nil {
		return err
	}
	return writeValue(ctx, tellJob(s.baseURL(ctx), &j))
}

func (s *Server) deleteJob(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	j, err := s.engine().DeleteJob(s.runs, tenant, name)
	if err != nil {
		return err
	}
	return writeValue(ctx, tellJob(s.baseURL(ctx), &j))
}

func (s *Server) listJobRevisions(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	all, err := s.engine().ListJobRevisions(s.runs, tenant, name)
	if err != nil {
		return err
	}
	return writeValue(ctx, tellRevisions(all))
}

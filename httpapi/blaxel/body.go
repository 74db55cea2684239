package blaxel

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// jobBody is the body of a request to create or update a job.
type jobBody struct {
	job runtime.Job // Name, DisplayName, Labels and Spec
	// active is the revision that the spec names as the current one, empty if it names none.
	active string
	// rollback reports whether the spec has nothing but that revision: the request restores it.
	rollback bool
}

// CheckJob returns all that is wrong with the body of a request to create a job, apart from what only
// a server knows; see [runtime.Errors].
func CheckJob(body []byte) error {
	b, err := parseJob(body)
	var all runtime.Errors
	all.Add("", err)
	addInvalid(&all, &b.job)
	return all.Err()
}

// addInvalid adds what is wrong with a job that was read.
func addInvalid(all *runtime.Errors, j *runtime.Job) {
	probe := j.Clone()
	probe.Tenant = runtime.DefaultTenant
	probe.Spec.FillTriggers(nil)
	all.Add("", runtime.ValidateJob(&probe))
}

// parseJob reads a job, and returns all that cannot be read. docs/jobs.md lists the fields of the
// vendor that have no meaning here.
func parseJob(body []byte) (b jobBody, err error) {
	all, err := web.ReadFields(body)
	if err != nil {
		return b, err
	}
	all.Collect().Ignore("events", "status")
	metadata := all.Object("metadata")
	b.job.Name = metadata.Text("name")
	b.job.DisplayName = metadata.Text("displayName")
	b.job.Labels = metadata.Texts("labels")
	metadata.Refuse("externalId", "is not stored", "use a label for it")
	metadata.Ignore("createdAt", "createdBy", "updatedAt", "updatedBy", "plan", "rid", "url", "workspace")
	_ = metadata.End() // the End of the body returns all errors

	spec := all.Object("spec")
	b.rollback = spec.Len() == 1 && spec.Has("revision")
	b.active = parseActive(spec.Object("revision"))
	b.job.Spec.Function = spec.Text("function")
	b.job.Spec.Disabled = !spec.Flag("enabled", true)
	parseRuntime(spec.Object("runtime"), &b.job.Spec)
	for _, trigger := range spec.Objects("triggers") {
		b.job.Spec.Triggers = append(b.job.Spec.Triggers, parseTrigger(trigger))
	}
	spec.Ignore("region")
	spec.Refuse("policies", "are not supported", "leave it out")
	spec.Refuse("volumes", "are not supported", "use /tmp; each task has its own")
	runner := spec.Object("githubRunner")
	runner.Refuse("repositories", "are not supported: this server has no runner", "leave it out")
	_ = runner.End()
	_ = spec.End()
	b.rollback = b.rollback && b.active != ""
	return b, all.End()
}

// parseActive reads which revision is the current one.
func parseActive(revision *web.Fields) string {
	active := revision.Text("active")
	const one = "is not supported: all executions use the current revision"
	revision.Refuse("canary", one, "leave it out")
	revision.Refuse("canaryPercent", one, "leave it out")
	if traffic := revision.Number("traffic", 0, 100); traffic != 0 && traffic != 100 {
		revision.FailHint("leave it out", "traffic", one)
	}
	revision.Ignore("stickySessionTtl")
	_ = revision.End() // the End of the body returns the error
	return active
}

func parseRuntime(f *web.Fields, spec *runtime.JobSpec) {
	spec.Memory = parseMegabytes(f, "memory")
	spec.Timeout = f.Duration("timeout", runtime.MaxTimeout)
	spec.MaxRetries = f.Whole("maxRetries", 0, runtime.MaxRetries)
	spec.MaxConcurrentTasks = f.Whole("maxConcurrentTasks", 0, runtime.MaxConcurrentTasks)
	for _, env := range f.Objects("envs") {
		spec.Env = append(spec.Env, runtime.EnvVar{Name: env.Text("name"), Value: env.Text("value"), Secret: env.Flag("secret", false)})
		_ = env.End()
	}
	f.Ignore("generation", "diskPercent")
	f.Refuse("image", "is not supported: a job runs a function", "name the function in spec.function")
	f.Refuse("ports", "are not supported: tasks do not listen", "leave it out")
	_ = f.End()
}

// parseMegabytes reads an amount of memory and returns it in bytes, 0 if it is absent.
func parseMegabytes(f *web.Fields, key string) int64 {
	return int64(f.Number(key, 0, runtime.MaxMemory/runtime.MiB) * runtime.MiB)
}

func parseTrigger(f *web.Fields) runtime.Trigger {
	c := f.Object("configuration")
	hasRetry := c.Has("retry")
	kind := runtime.TriggerType(f.Text("type"))
	longest := runtime.MaxTimeout
	if kind == runtime.TriggerHTTP {
		longest = runtime.MaxTriggerTimeout
	}
	t := runtime.Trigger{
		ID:             f.Text("id"),
		Type:           kind,
		Disabled:       !f.Flag("enabled", true),
		Path:           c.Text("path"),
		Schedule:       c.Text("schedule"),
		TimeZone:       c.Text("timezone"),
		Missed:         runtime.MissedTicks(c.Text("missed")),
		CallbackURL:    c.Text("callbackUrl"),
		CallbackSecret: c.Text("callbackSecret"),
		Retry:          c.Whole("retry", 0, runtime.MaxCallbackRetry),
		Tasks:          c.Array("tasks"),
		Timeout:        c.Duration("timeout", longest),
	}
	if t.Type == runtime.TriggerHTTPAsync && t.CallbackURL != "" && !hasRetry {
		t.Retry = runtime.DefaultCallbackRetry
	}
	// Both mean that requests need a token.
	if auth := c.Text("authenticationType"); auth != "" && auth != "private" && auth != "blaxel" {
		c.FailHint(`leave it out, or write "private" or "blaxel"`, "authenticationType", "of %q is not supported: requests need a token", auth)
	}
	_, _ = c.End(), f.End()
	return t
}

// startBody is the body of a request to start an execution of a job.
type startBody struct {
	runtime.JobStartRequest
	id        string // idempotency key
	job       string // optional: the job in the path again
	workspace string // optional
}

func parseStart(body []byte) (b startBody, err error) {
	f, err := web.ReadFields(body)
	if err != nil {
		return b, err
	}
	b.Tasks = f.Array("tasks")
	b.Name = f.Text("executionId")
	b.Env = f.Texts("env")
	b.Memory = parseMegabytes(f, "memory")
	b.Parallelism = f.Whole("parallelism", 0, runtime.MaxConcurrentTasks)
	b.NoQueue = !f.Flag("allowQueue", true)
	b.id = f.Text("id")
	b.job = f.Text("jobId")
	b.workspace = f.Text("workspaceId")
	return b, f.End()
}

// parseRevision parses the number of a revision.
func parseRevision(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != text {
		return 0, runtime.Errorf(runtime.CodeInvalidArgument, "spec.revision.active is not a revision's id").
			WithHint(`give the id of a listed revision, such as "3"`)
	}
	return n, nil
}

// parseTasks reads the tasks in a request to a trigger: those of {"tasks": [...]}, or any other
// object as the only task. It returns nil for an empty body.
func parseTasks(body []byte) ([]json.RawMessage, error) {
	if body = bytes.TrimSpace(body); len(body) == 0 {
		return nil, nil
	}
	if err := web.CheckBody(body); err != nil {
		return nil, err
	}
	if raw, ok := web.SoleMember(body, "tasks"); ok {
		if tasks, ok := web.SplitArray(raw, runtime.MaxTasks); ok {
			return tasks, nil
		}
	}
	return []json.RawMessage{body}, nil
}

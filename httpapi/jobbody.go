package httpapi

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/faaspot/faaspot/runtime"

)

// jobBody is the body of a request to create or to update a job.
type jobBody struct {
	job runtime.Job // Name, DisplayName, Labels and Spec
	// active is the revision that the spec says is the current one, empty: it says
	// nothing. alone: it says nothing else, and so asks for that revision.
	active string
	alone  bool
}

// parseJob reads a job. docs/jobs.md lists what it makes of the fields of the
// vendor's that are without a meaning here.
func parseJob(body []byte) (b jobBody, err error) {
	all, err := readFields(body)
	if err != nil {
		return b, err
	}
	all.ignore("events", "status")
	metadata := all.object("metadata")
	b.job.Name = metadata.text("name")
	b.job.DisplayName = metadata.text("displayName")
	b.job.Labels = metadata.texts("labels")
	metadata.refuse("externalId", "is not kept", "use a label for it")
	metadata.ignore("createdAt", "createdBy", "updatedAt", "updatedBy", "plan", "rid", "url", "workspace")
	if err := metadata.end(); err != nil {
		return b, err
	}

	spec := all.object("spec")
	b.alone = len(spec.left) == 1 && spec.has("revision")
	b.active = parseActive(spec.object("revision"))
	b.job.Spec.Function = spec.text("function")
	b.job.Spec.Disabled = !spec.flag("enabled", true)
	parseJobRuntime(spec.object("runtime"), &b.job.Spec)
	for _, trigger := range spec.objects("triggers") {
		b.job.Spec.Triggers = append(b.job.Spec.Triggers, parseTrigger(trigger))
	}
	spec.ignore("region")
	spec.refuse("policies", "cannot be kept to: there are no policies here", "leave it out")
	spec.refuse("volumes", "cannot be mounted", "use /tmp, which each task has to itself")
	runner := spec.object("githubRunner")
	runner.refuse("repositories", "cannot be served: there is no runner here", "leave it out")
	_ = runner.end()
	if err := spec.end(); err != nil {
		return b, err
	}
	return b, all.end()
}

// parseActive reads which revision is said to be the current one.
func parseActive(revision *fields) string {
	active := revision.text("active")
	const one = "is not possible: all executions are of the current revision"
	revision.refuse("canary", one, "leave it out")
	revision.refuse("canaryPercent", one, "leave it out")
	if traffic := revision.number("traffic", 0, 100); traffic != 0 && traffic != 100 {
		revision.failWith("leave it out", "traffic", one)
	}
	revision.ignore("stickySessionTtl")
	_ = revision.end() // kept for the end of the body
	return active
}

func parseJobRuntime(f *fields, spec *runtime.JobSpec) {
	spec.Memory = megabytes(f, "memory")
	spec.Timeout = time.Duration(f.number("timeout", 0, runtime.MaxTimeout.Seconds()) * float64(time.Second))
	spec.MaxRetries = f.whole("maxRetries", 0, runtime.MaxRetries)
	spec.MaxConcurrentTasks = f.whole("maxConcurrentTasks", 0, runtime.MaxConcurrentTasks)
	for _, env := range f.objects("envs") {
		spec.Env = append(spec.Env, runtime.EnvVar{Name: env.text("name"), Value: env.text("value"), Secret: env.flag("secret", false)})
		_ = env.end()
	}
	f.ignore("generation", "diskPercent")
	f.refuse("image", "cannot be run: a job runs a function", "name the function in spec.function")
	f.refuse("ports", "cannot be opened: tasks do not listen", "leave it out")
	_ = f.end()
}

// megabytes reads an amount of memory; 0: it is absent, or 0.
func megabytes(f *fields, key string) int64 {
	return int64(f.number(key, 0, runtime.MaxMemory/runtime.MiB) * runtime.MiB)
}

func parseTrigger(f *fields) runtime.Trigger {
	c := f.object("configuration")
	retries := c.has("retry")
	t := runtime.Trigger{
		ID:             f.text("id"),
		Type:           runtime.TriggerType(f.text("type")),
		Disabled:       !f.flag("enabled", true),
		Path:           c.text("path"),
		Schedule:       c.text("schedule"),
		TimeZone:       c.text("timezone"),
		Missed:         runtime.MissedTicks(c.text("missed")),
		CallbackURL:    c.text("callbackUrl"),
		CallbackSecret: c.text("callbackSecret"),
		Retry:          c.whole("retry", 0, runtime.MaxCallbackRetry),
		Tasks:          c.array("tasks"),
		Timeout:        time.Duration(c.number("timeout", 0, runtime.MaxTimeout.Seconds()) * float64(time.Second)),
	}
	if t.Type == runtime.TriggerHTTPAsync && t.CallbackURL != "" && !retries {
		t.Retry = runtime.DefaultCallbackRetry
	}
	if auth := c.text("authenticationType"); auth != "" && auth != "private" {
		c.failWith(`leave it out, or write "private"`, "authenticationType", "of %q is not possible: requests need a token", auth)
	}
	_, _ = c.end(), f.end()
	return t
}

// jobRun is the body of a request to start an execution of a job.
type jobRun struct {
	runtime.JobStartRequest
	id        string // what the request calls itself: its idempotency key
	job       string // if it is named again
	workspace string
}

func parseJobRun(body []byte) (r jobRun, err error) {
	f, err := readFields(body)
	if err != nil {
		return r, err
	}
	r.Tasks = f.array("tasks")
	r.Name = f.text("executionId")
	r.Env = f.texts("env")
	r.Memory = megabytes(f, "memory")
	r.Parallelism = f.whole("parallelism", 0, runtime.MaxConcurrentTasks)
	r.NoQueue = !f.flag("allowQueue", true)
	r.id = f.text("id")
	r.job = f.text("jobId")
	r.workspace = f.text("workspaceId")
	return r, f.end()
}

// parseRevision reads the number of a revision.
func parseRevision(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != text {
		return 0, runtime.Errorf(runtime.CodeInvalidArgument, "spec.revision.active is not a revision's id").
			WithHint(`give the id of one that is listed, such as "3"`)
	}
	return n, nil
}

// triggerTasks reads the tasks in the body of a request that a trigger takes:
// those of {"tasks": [...]}, or the one that any other object is; nil if there is
// no body.
func triggerTasks(body []byte) ([]json.RawMessage, error) {
	if body = bytes.TrimSpace(body); len(body) == 0 {
		return nil, nil
	}
	members, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	if raw, there := members["tasks"]; there && len(members) == 1 && raw[0] == '[' {
		var tasks []json.RawMessage
		if err := json.Unmarshal(raw, &tasks); err != nil {
			return nil, bodyError(err)
		}
		return tasks, nil
	}
	return []json.RawMessage{bytes.Clone(body)}, nil
}

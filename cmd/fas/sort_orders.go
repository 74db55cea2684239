package main

import (
	"cmp"
	"context"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/httpapi/wire"
)

// executionOrders are the orders of executions.
var executionOrders = []order[client.Execution]{
	byTime("created", func(x client.Execution) time.Time { return x.Created.Time }),
	byTime("started", func(x client.Execution) time.Time { return x.Started.Time }),
	byTime("finished", func(x client.Execution) time.Time { return x.Finished.Time }),
	{
		name: "duration", falls: true,
		compare: func(a, b client.Execution) int { return cmp.Compare(*a.DurationMS, *b.DurationMS) },
		absent:  func(x client.Execution) bool { return x.DurationMS == nil },
	},
	byNumber("attempts", func(x client.Execution) int { return x.Attempts }),
	byText("name", func(x client.Execution) string { return x.Name }),
	byText("status", func(x client.Execution) client.Status { return x.Status }),
}

// functionCounts are the runs of functions in the last 24 hours, for orders.
type functionCounts map[string]client.RunStats

// read gets the counts.
func (f functionCounts) read(ctx context.Context, c *client.Client) error {
	stats, err := c.Stats(ctx, describedTime, "")
	for _, one := range stats.Functions {
		f[one.Function] = one.RunStats
	}
	return err
}

// orders returns the orders of functions.
func (f functionCounts) orders() []order[client.Listed] {
	return []order[client.Listed]{
		byText("name", func(l client.Listed) string { return l.Name }),
		byTime("created", func(l client.Listed) time.Time { return l.Created }),
		byTime("updated", func(l client.Listed) time.Time { return l.Updated }),
		byNumber("runs", func(l client.Listed) int { return f[l.Name].Count }),
		byNumber("failed", func(l client.Listed) int { return f[l.Name].Failed }),
	}
}

// loadOrders are the orders of functions with their load.
var loadOrders = []order[functionLoad]{
	byNumber("runs", func(f functionLoad) int { return f.Count }),
	byNumber("running", func(f functionLoad) int { return f.Running }),
	byNumber("queued", func(f functionLoad) int { return f.Queued }),
	byNumber("failed", func(f functionLoad) int { return f.Failed }),
	byNumber("p50", func(f functionLoad) float64 { return ms(f.P50) }),
	byNumber("p99", func(f functionLoad) float64 { return ms(f.P99) }),
	byText("name", func(f functionLoad) string { return f.Name }),
}

// jobOrders are the orders of jobs.
var jobOrders = []order[client.Job]{
	byText("name", func(j client.Job) string { return j.Metadata.Name }),
	byText("function", func(j client.Job) string { return j.Spec.Function }),
	byTime("created", func(j client.Job) time.Time { return j.Metadata.CreatedAt }),
	byTime("updated", func(j client.Job) time.Time { return j.Metadata.UpdatedAt }),
}

// jobExecutionOrders are the orders of executions of a job.
var jobExecutionOrders = []order[client.JobExecution]{
	byTime("created", func(x client.JobExecution) time.Time { return x.Metadata.CreatedAt }),
	{
		name: "duration", falls: true,
		compare: func(a, b client.JobExecution) int { return cmp.Compare(jobDuration(a), jobDuration(b)) },
		absent:  func(x client.JobExecution) bool { return x.Metadata.CompletedAt == nil },
	},
	byNumber("tasks", func(x client.JobExecution) int { return x.Stats.Total }),
	byNumber("failed", func(x client.JobExecution) int { return x.Stats.Failure }),
	byText("status", func(x client.JobExecution) client.JobStatus { return x.Status }),
}

// jobDuration returns how long an execution of a job took that is done.
func jobDuration(x client.JobExecution) time.Duration {
	return x.Metadata.CompletedAt.Sub(x.Metadata.CreatedAt)
}

// taskOrders are the orders of tasks.
var taskOrders = []order[client.Task]{
	{name: "index", compare: func(a, b client.Task) int { return cmp.Compare(a.Index(), b.Index()) }},
	{
		name: "started", falls: true,
		compare: func(a, b client.Task) int { return a.Metadata.StartedAt.Compare(*b.Metadata.StartedAt) },
		absent:  func(t client.Task) bool { return t.Metadata.StartedAt == nil },
	},
	{
		name: "duration", falls: true,
		compare: func(a, b client.Task) int { return cmp.Compare(a.Duration(), b.Duration()) },
		absent:  func(t client.Task) bool { return t.Metadata.CompletedAt == nil },
	},
	byNumber("attempts", client.Task.Attempts),
	byText("status", func(t client.Task) string { return t.Status }),
}

// tokenOrders are the orders of tokens.
var tokenOrders = []order[client.Token]{
	byTime("created", func(t client.Token) time.Time { return t.Created.Time }),
	byTime("expires", func(t client.Token) time.Time { return t.Expires.Time }),
	byTime("used", func(t client.Token) time.Time { return t.LastUsed.Time }),
	byText("name", func(t client.Token) string { return t.Name }),
	byText("scope", func(t client.Token) string { return t.Scope }),
	byText("tenant", func(t client.Token) string {
		if t.Tenant == nil {
			return ""
		}
		return *t.Tenant
	}),
}

// tenantOrders are the orders of tenants.
var tenantOrders = []order[client.Tenant]{
	byText("name", func(t client.Tenant) string { return t.Name }),
	byText("state", func(t client.Tenant) wire.TenantState { return t.State }),
	byTime("created", func(t client.Tenant) time.Time { return t.Created.Time }),
}

// deadLetterOrders are the orders of dead letters.
var deadLetterOrders = []order[client.DeadLetter]{
	byTime("created", func(d client.DeadLetter) time.Time { return d.Created.Time }),
	byText("job", func(d client.DeadLetter) string { return d.Job }),
	byText("url", func(d client.DeadLetter) string { return d.URL }),
	byNumber("attempts", func(d client.DeadLetter) int { return d.Attempts }),
}

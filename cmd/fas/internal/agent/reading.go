package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/httpapi/filterexpr"
	"github.com/faaspot/faaspot/runtime"
)

const (
	defaultListed = 20
	maxListed     = 200
)

type (
	noArguments struct{}
	ofFunction  struct {
		Name string `json:"name" jsonschema:"name of the function"`
	}
	ofExecution struct {
		ID string `json:"id" jsonschema:"id of the execution, a UUID"`
	}
)

// addReading adds the tools that change nothing.
func (t *tools) addReading(s *mcp.Server) {
	add(s, "list_functions", "List the functions of the server by name, with version and times.", reads, t.listFunctions)
	add(s, "get_function", "Get a function with its code, limits, network rules and the names in its context.", reads, t.getFunction)
	add(s, "list_executions", "List executions of functions, newest first: those that wait or run, or with done all, or with status those.", reads, t.listExecutions)
	add(s, "search_executions", "Search finished executions of one function or job by duration, status, reason of failure, version and time.", reads, t.searchExecutions)
	add(s, "get_execution", "Get an execution: its status, output or error with line and traceback, times and attempts.", reads, t.getExecution)
	add(s, "read_logs", "Read what an execution has printed so far.", reads, t.readLogs)
	add(s, "list_jobs", "List the jobs of the server, with their functions, schedules and triggers.", reads, t.listJobs)
	add(s, "get_job_execution", "Get an execution of a job with the numbers of its tasks and the state of the first ones.", reads, t.getJobExecution)
}

func (t *tools) listFunctions(ctx context.Context, _ noArguments) (any, error) {
	return t.c.Functions(ctx)
}

func (t *tools) getFunction(ctx context.Context, in ofFunction) (any, error) {
	f, err := t.c.Function(ctx, in.Name)
	f.Code = cut(f.Code)
	return f, err
}

type listExecutions struct {
	Function string   `json:"function,omitempty" jsonschema:"only executions of the function of this name"`
	Status   []string `json:"status,omitempty" jsonschema:"only these: Pending, Started, Success, Failed, Cancelled"`
	Done     bool     `json:"done,omitempty" jsonschema:"also those that are done"`
	Limit    int      `json:"limit,omitempty" jsonschema:"the most executions, 1 to 200; default 20"`
}

// listed is a list that may have been cut.
type listed[T any] struct {
	Items []T  `json:"items"`
	More  bool `json:"more"` // there are more than the limit
}

func (t *tools) listExecutions(ctx context.Context, in listExecutions) (any, error) {
	found := listed[client.Execution]{Items: []client.Execution{}}
	filter := client.Filter{Function: in.Function, Completed: in.Done}
	for _, word := range in.Status {
		status, ok := client.ParseStatus(word)
		if !ok {
			return nil, runtime.Errorf(runtime.CodeInvalidArgument, "there is no status %q", word).
				WithHint("use Pending, Started, Success, Failed or Cancelled")
		}
		filter.Statuses = append(filter.Statuses, string(status))
	}
	var err error
	found.More, err = t.c.ListExecutions(ctx, filter, limit(in.Limit), func(page []client.Execution) error {
		for _, x := range page {
			found.Items = append(found.Items, short(x))
		}
		return nil
	})
	return found, err
}

func limit(asked int) int {
	if asked <= 0 {
		return defaultListed
	}
	return min(asked, maxListed)
}

// short returns an execution whose output and traceback are not too long for a model.
func short(x client.Execution) client.Execution {
	if len(x.Output) > maxText {
		x.Output, x.OutputOmitted = nil, true
	}
	if x.Failure != nil {
		f := *x.Failure
		f.Message, f.Traceback = cut(f.Message), cut(f.Traceback)
		x.Failure = &f
	}
	return x
}

type searchExecutions struct {
	Function string `json:"function,omitempty" jsonschema:"name of the function to search; this or job is needed"`
	Job      string `json:"job,omitempty" jsonschema:"name of the job to search"`
	Where    string `json:"where,omitempty" jsonschema:"an expression such as: status = failed and duration >= 500ms and not reason in (timeout, cancelled)"`
	Since    string `json:"since,omitempty" jsonschema:"started at this time or later, RFC 3339; default 24 hours ago"`
	Limit    int    `json:"limit,omitempty" jsonschema:"the most executions, 1 to 200; default 20"`
}

func (t *tools) searchExecutions(ctx context.Context, in searchExecutions) (any, error) {
	var search client.Search
	switch {
	case (in.Function == "") == (in.Job == ""):
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "one of function and job is needed")
	case in.Function != "":
		f, err := t.c.Function(ctx, in.Function)
		if err != nil {
			return nil, err
		}
		search.RID = f.RID
	default:
		j, err := t.c.Job(ctx, in.Job)
		if err != nil {
			return nil, err
		}
		search.RID = j.Metadata.RID
	}
	if in.Where != "" {
		filter, err := filterexpr.Parse(in.Where)
		if err != nil {
			return nil, err
		}
		if err := filter.Validate(); err != nil {
			return nil, err
		}
		if search.Where, err = filterexpr.JSON(filter); err != nil {
			return nil, err
		}
	}
	if in.Since != "" {
		since, err := time.Parse(time.RFC3339, in.Since)
		if err != nil {
			return nil, runtime.Errorf(runtime.CodeInvalidArgument, "since is not a time in RFC 3339, such as 2026-01-31T15:04:05Z")
		}
		search.Start = since
	}
	found := listed[client.Observed]{Items: []client.Observed{}}
	var err error
	found.More, err = t.c.SearchExecutions(ctx, search, limit(in.Limit), func(page []client.Observed) error {
		found.Items = append(found.Items, page...)
		return nil
	})
	return found, err
}

func (t *tools) getExecution(ctx context.Context, in ofExecution) (any, error) {
	x, err := t.c.Execution(ctx, in.ID)
	return short(x), err
}

type readLogs struct {
	ID     string `json:"id" jsonschema:"id of the execution, a UUID"`
	Stream string `json:"stream,omitempty" jsonschema:"stdout or stderr; default both"`
}

func (t *tools) readLogs(ctx context.Context, in readLogs) (any, error) {
	only := client.Stream(in.Stream)
	if only != "" && only != client.Stdout && only != client.Stderr {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "there is no stream %q", in.Stream).WithHint("use stdout or stderr")
	}
	return t.logs(ctx, in.ID, only)
}

// logs returns the text that an execution has written, cut to its beginning and end.
func (t *tools) logs(ctx context.Context, id string, only client.Stream) (string, error) {
	logs, err := t.c.Logs(ctx, id, client.LogOptions{Only: only})
	if err != nil {
		return "", err
	}
	size := 0
	for _, entry := range logs.Entries {
		size += len(entry.Text)
	}
	text := make([]byte, 0, size)
	for _, entry := range logs.Entries {
		text = append(text, entry.Text...)
	}
	whole := cut(string(text))
	if logs.Truncated {
		whole += "\n(the function wrote more than the server stores)"
	}
	return whole, nil
}

func (t *tools) listJobs(ctx context.Context, _ noArguments) (any, error) {
	return t.c.Jobs(ctx)
}

type ofJobExecution struct {
	Job string `json:"job" jsonschema:"name of the job"`
	ID  string `json:"id" jsonschema:"id of the execution of the job"`
}

func (t *tools) getJobExecution(ctx context.Context, in ofJobExecution) (any, error) {
	x, err := t.c.JobExecution(ctx, in.Job, in.ID)
	if err != nil {
		return nil, err
	}
	if len(x.Tasks) > defaultListed {
		x.Tasks = x.Tasks[:defaultListed]
	}
	x.Spec.Tasks = nil
	return x, nil
}

// described returns the state of an execution, for an answer about one that is not done.
func described(x client.Execution, waited time.Duration) string {
	return fmt.Sprintf("%s is still %s after %s; get_execution shows it again", x.ID, x.Status, waited)
}

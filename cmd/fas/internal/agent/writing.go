package agent

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/runtime"
)

const (
	defaultWait = 60 * time.Second
	maxWait     = 900 * time.Second
)

// addWriting adds the tools that change something, or run code.
func (t *tools) addWriting(s *mcp.Server) {
	add(s, "deploy_function", "Deploy a function of one file: create it, or change the one of that name. What is not given stays as it is. The code is loaded at once, and an error has its line.", destroys, t.deployFunction)
	add(s, "delete_function", "Delete a function. Its executions stay.", destroys, t.deleteFunction)
	add(s, "run_function", "Run a function and wait for the end. The answer has its output or its error, and what it has printed.", adds, t.runFunction)
	add(s, "cancel_execution", "Cancel an execution that waits or runs.", destroys, t.cancelExecution)
	add(s, "run_job", "Start an execution of a job, with the args of each task. get_job_execution shows what becomes of it.", adds, t.runJob)
}

type deployFunction struct {
	Name    string    `json:"name" jsonschema:"name of the function"`
	Code    string    `json:"code" jsonschema:"Python code that defines main(args, context)"`
	Context *string   `json:"context,omitempty" jsonschema:"settings and secrets that main gets as context, as lines of key = \"value\" or a JSON object; they are never shown again"`
	Timeout float64   `json:"timeout,omitempty" jsonschema:"seconds that a run may take, 0.1 to 86400; default 60"`
	Memory  int64     `json:"memory,omitempty" jsonschema:"MB that a run may use, 64 to 3072; default 128"`
	Retries *int      `json:"retries,omitempty" jsonschema:"further attempts of a background run after a failure, 0 to 10"`
	Allow   *[]string `json:"allow,omitempty" jsonschema:"what runs may reach, as rules HOST:PORT such as api.example.com:443; default nothing"`
}

func (t *tools) deployFunction(ctx context.Context, in deployFunction) (any, error) {
	id, err := t.c.Put(ctx, client.CreateRequest{
		Name: in.Name, Code: in.Code, Context: in.Context, Timeout: in.Timeout, Memory: in.Memory, Retries: in.Retries, Allow: in.Allow,
	})
	if err != nil {
		return nil, err
	}
	return t.getExecution(ctx, ofExecution{id})
}

func (t *tools) deleteFunction(ctx context.Context, in ofFunction) (any, error) {
	id, err := t.c.Delete(ctx, in.Name)
	return map[string]string{"execution": id}, err
}

type runFunction struct {
	Name           string          `json:"name" jsonschema:"name of the function"`
	Args           json.RawMessage `json:"args,omitempty" jsonschema:"the JSON object that main gets as args; default {}"`
	TimeoutSeconds float64         `json:"timeout_seconds,omitempty" jsonschema:"how long to wait for the end, at most 900; default 60. The run goes on afterwards. 0.001: do not wait"`
}

// ran is the answer to run_function.
type ran struct {
	Execution client.Execution `json:"execution"`
	Logs      string           `json:"logs"`
	Note      string           `json:"note,omitempty"` // what to do if it is not done
}

func (t *tools) runFunction(ctx context.Context, in runFunction) (any, error) {
	wait := defaultWait
	if in.TimeoutSeconds > 0 {
		wait = min(time.Duration(in.TimeoutSeconds*float64(time.Second)), maxWait)
	}
	args := in.Args
	if len(args) == 0 {
		args = json.RawMessage("{}")
	}
	id, err := t.c.Submit(ctx, in.Name, args, client.RunOptions{})
	if err != nil {
		return nil, err
	}
	waiting, stop := context.WithTimeoutCause(ctx, wait, errWaited)
	defer stop()
	x, err := t.c.Wait(waiting, id, client.WaitOptions{})
	var answer ran
	if errors.Is(err, errWaited) {
		if x, err = t.c.Execution(ctx, id); err == nil && !x.Status.Done() {
			answer.Note = described(x, wait)
		}
	}
	if err != nil {
		return nil, err
	}
	answer.Execution = short(x)
	// A token that may only invoke may read the logs of its own runs.
	if answer.Logs, err = t.logs(ctx, id, ""); err != nil {
		return nil, err
	}
	return answer, nil
}

// errWaited is the cause of the end of a wait.
var errWaited = errors.New("the time to wait is over")

func (t *tools) cancelExecution(ctx context.Context, in ofExecution) (any, error) {
	return t.c.Cancel(ctx, in.ID)
}

type runJob struct {
	Job   string            `json:"job" jsonschema:"name of the job"`
	Tasks []json.RawMessage `json:"tasks,omitempty" jsonschema:"the args of each task, JSON objects; default one task without args"`
}

func (t *tools) runJob(ctx context.Context, in runJob) (any, error) {
	tasks := in.Tasks
	if len(tasks) == 0 {
		tasks = []json.RawMessage{json.RawMessage("{}")}
	}
	if len(tasks) > runtime.MaxBulk {
		return nil, runtime.Errorf(runtime.CodeTooLarge, "an execution has at most %d tasks", runtime.MaxBulk)
	}
	id, err := t.c.RunJob(ctx, in.Job, client.JobRun{Tasks: tasks})
	return map[string]string{"job": in.Job, "id": id}, err
}

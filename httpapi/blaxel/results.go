package blaxel

import (
	"slices"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// encodeWithResults returns the JSON form of a job execution with the results of tasks, with at most
// [runtime.MaxJobResultBytes] of outputs and tracebacks. Outputs are copied as they are stored.
func encodeWithResults(response *executionResponse, tasks []runtime.Execution) ([]byte, error) {
	text, err := web.EncodeJSON(response)
	if err != nil {
		return nil, runtime.Internal("httpapi.encode", err)
	}
	tasks = tasks[:min(len(tasks), runtime.MaxJobResults)]
	if len(tasks) == 0 {
		return text, nil
	}
	size := len(tasks) * renderedBytes / 8
	for i := range tasks {
		size += len(tasks[i].Result)
	}
	text = slices.Grow(text, min(size, runtime.MaxJobResultBytes))
	// The results are the last member.
	text = append(text[:len(text)-1], `,"results":[`...)
	left := runtime.MaxJobResultBytes
	for i := range tasks {
		if i > 0 {
			text = append(text, ',')
		}
		result, output := renderResult(&tasks[i], &left)
		head, err := web.EncodeJSON(result)
		if err != nil {
			return nil, runtime.Internal("httpapi.encode", err)
		}
		var rest []byte
		text, rest = web.Splice(text, head, "output", output)
		text = append(text, rest...)
	}
	return append(text, "]}"...), nil
}

// renderResult renders the result of a task, with its output apart. left is the number of bytes that outputs and
// tracebacks may still take.
func renderResult(x *runtime.Execution, left *int) (r wire.TaskResult, output []byte) {
	r.Status = taskStatus(x)
	if x.Task != nil {
		r.Index = x.Task.Index
	}
	switch {
	case x.State == runtime.StateSucceeded && len(x.Result) > 0 && len(x.Result) <= *left:
		r.Output, output = web.Null, x.Result
		*left -= len(x.Result)
	case x.State == runtime.StateSucceeded && x.ResultSize > 0:
		r.OutputOmitted = true
	case x.Failure != nil:
		r.Error = web.RenderFailure(x.Failure)
		if size := len(r.Error.Message) + len(r.Error.ServerTraceback); size > *left {
			r.Error.ServerTraceback = ""
		} else {
			*left -= size
		}
	}
	return r, output
}

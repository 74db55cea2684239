package sandbox

import (
	"encoding/json"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// runInfo is what a run reads from /dev/execution. It is rendered only if the run asks.
type runInfo struct {
	runtime.RunInfo
	version uint64
}

// render returns the JSON object that the guest's module faas reads, at most some 2 KiB. The
// deadline is in seconds since the epoch.
func (i *runInfo) render(deadline time.Time) []byte {
	type task struct {
		Job          string `json:"job"`
		JobExecution string `json:"job_execution"`
		Task         int    `json:"task"`
	}
	object := struct {
		ID       string  `json:"id"`
		Attempt  int     `json:"attempt"`
		Function string  `json:"function"`
		Version  uint64  `json:"version"`
		Deadline float64 `json:"deadline"`
		*task
	}{ID: i.Execution, Attempt: i.Attempt, Function: i.Function, Version: i.version, Deadline: float64(deadline.UnixMilli()) / 1e3}
	if i.Job != "" {
		object.task = &task{i.Job, i.JobExecution, i.Task}
	}
	text, err := json.Marshal(object)
	if err != nil {
		return nil // cannot happen: strings and numbers
	}
	return text
}

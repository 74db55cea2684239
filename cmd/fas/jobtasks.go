package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime/strictjson"
)

// taskHint says what tasks look like.
const taskHint = `give an object, the args of a task, such as {"name": "you", "times": 3}, or {"tasks": [{}, {}]}`

// parseTasks reads what a trigger's request may say, too: one task, or an object
// with the member tasks alone; and besides an array of tasks. Where it is from is
// for errors.
func parseTasks(text []byte, from string) ([]json.RawMessage, error) {
	if err := strictjson.Check(text, strictjson.Options{}); err != nil {
		return nil, clierror.Usagef(taskHint, "%s is not JSON: %v", from, err)
	}
	var members map[string]json.RawMessage
	many := bytes.TrimSpace(text)
	if many[0] == '{' {
		if err := json.Unmarshal(many, &members); err != nil {
			return nil, clierror.Usagef(taskHint, "%s is not JSON: %v", from, err)
		}
		tasks, has := members["tasks"]
		if !has || len(members) > 1 || tasks[0] != '[' {
			return []json.RawMessage{many}, nil
		}
		many = tasks
	}
	var tasks []json.RawMessage
	if err := json.Unmarshal(many, &tasks); err != nil {
		return nil, clierror.Usagef(taskHint, "%s is neither an object nor an array", from)
	}
	for i, task := range tasks {
		if task[0] != '{' {
			return nil, clierror.Usagef(taskHint, "task %d of %s is not a JSON object", i, from)
		}
	}
	if len(tasks) == 0 {
		return nil, clierror.Usagef(taskHint, "there are no tasks in %s", from)
	}
	return tasks, nil
}

// readTasks reads the tasks of a file: a JSON document as parseTasks takes it, or a
// task a line.
func (a *app) readTasks(ctx context.Context, file string) ([]json.RawMessage, error) {
	data, err := a.ReadFile(ctx, file, "tasks", maxBulkFile)
	if err != nil {
		return nil, err
	}
	from := sourceName(file)
	if json.Valid(data) {
		return parseTasks(data, from)
	}
	lines, err := parseLines(data, from)
	if err != nil {
		return nil, err
	}
	if len(lines) == 0 {
		return nil, clierror.Usagef(taskHint, "there are no tasks in %s", from)
	}
	tasks := make([]json.RawMessage, len(lines))
	for i, line := range lines {
		tasks[i] = line
	}
	return tasks, nil
}

// parseData reads the tasks of each --data.
func parseData(entries []string) (tasks []json.RawMessage, err error) {
	for i, entry := range entries {
		from := "the --data"
		if len(entries) > 1 {
			from = fmt.Sprintf("--data number %d", i+1)
		}
		some, err := parseTasks([]byte(entry), from)
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, some...)
	}
	return tasks, nil
}

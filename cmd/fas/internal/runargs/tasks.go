package runargs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime/strictjson"
)

// taskHint shows the forms of tasks.
const taskHint = `give an object, the args of a task, such as {"name": "you", "times": 3}, or {"tasks": [{}, {}]}`

// ParseTasks parses the tasks of an execution of a job: the args of one task, an array of them, or
// {"tasks": [...]} as the body of a trigger's request may be. Errors name the source.
func ParseTasks(text []byte, from string) ([]json.RawMessage, error) {
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

// ReadTasks reads the tasks of a file: a JSON document as for ParseTasks, or one task per line.
func ReadTasks(ctx context.Context, t *ui.Terminal, file string) ([]json.RawMessage, error) {
	data, err := t.ReadFile(ctx, file, "tasks", maxFile)
	if err != nil {
		return nil, err
	}
	from := sourceName(file)
	if json.Valid(data) {
		return ParseTasks(data, from)
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

// ParseTaskEntries parses the tasks of each value of --data.
func ParseTaskEntries(entries []string) (tasks []json.RawMessage, err error) {
	for i, entry := range entries {
		from := "the --data"
		if len(entries) > 1 {
			from = fmt.Sprintf("--data number %d", i+1)
		}
		some, err := ParseTasks([]byte(entry), from)
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, some...)
	}
	return tasks, nil
}

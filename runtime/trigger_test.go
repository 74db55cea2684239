package runtime_test

import (
	"encoding/json"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// TestTicksWithoutTasks checks that a schedule that lists no tasks runs one task without args.
func TestTicksWithoutTasks(t *testing.T) {
	t.Parallel()
	var trigger runtime.Trigger
	if tasks := trigger.TasksOrOne(); len(tasks) != 1 || string(tasks[0]) != "{}" {
		t.Errorf("%s", tasks)
	}
	trigger.Tasks = []json.RawMessage{[]byte(`{"a":1}`)}
	if tasks := trigger.TasksOrOne(); len(tasks) != 1 || string(tasks[0]) != `{"a":1}` {
		t.Errorf("%s", tasks)
	}
}

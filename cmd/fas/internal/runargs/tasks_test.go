package runargs

import (
	"fmt"
	"strings"
	"testing"
)

func TestTasksAreRead(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                             `[{}]`,
		` {"a": 1} `:                     `[{"a": 1}]`,
		`[{"a":1},{}]`:                   `[{"a":1} {}]`,
		`{"tasks": [{"a":1}, {}]}`:       `[{"a":1} {}]`,
		`{"tasks": 3}`:                   `[{"tasks": 3}]`,
		`{"tasks": [{}], "other": true}`: `[{"tasks": [{}], "other": true}]`,
		``:                               "is not JSON",
		`{"a":1} {}`:                     "is not JSON",
		`{"a":1,"a":2}`:                  "is not JSON",
		`3`:                              "is neither an object nor an array",
		`null`:                           "there are no tasks in",
		`[]`:                             "there are no tasks in",
		`{"tasks":[]}`:                   "there are no tasks in",
		`[{},null]`:                      "task 1 of the text is not a JSON object",
	} {
		tasks, err := ParseTasks([]byte(text), "the text")
		got := fmt.Sprintf("%s", tasks)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) || err == nil && got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

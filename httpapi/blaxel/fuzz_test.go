package blaxel

import (
	"errors"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// refused fails the test if an error, or one of several, is not the client's fault.
func refused(t *testing.T, input any, err error) {
	t.Helper()
	if code := runtime.CodeOf(err); code != runtime.CodeInvalidArgument && code != runtime.CodeTooLarge {
		t.Fatalf("%q: %s: %v", input, code, err)
	}
}

// FuzzJobBodies reads bodies of requests that create a job, start it, and trigger it.
func FuzzJobBodies(f *testing.F) {
	for _, body := range []string{
		`{"metadata":{"name":"j","labels":{"a":"b"}},"spec":{"function":"f","enabled":true,"runtime":{"memory":128,"timeout":60,"maxRetries":2,"maxConcurrentTasks":5,"envs":[{"name":"A","value":"b"}]},` +
			`"triggers":[{"type":"cron","configuration":{"schedule":"* * * * *","timezone":"UTC"}},{"type":"http","configuration":{"path":"go"}}]}}`,
		`{"tasks":[{},{"a":1}],"executionId":"x","env":{"A":"b"},"memory":256,"parallelism":3,"allowQueue":false,"id":"k","jobId":"j","workspaceId":"w"}`,
		`{"spec":{"revision":{"active":"3"}}}`, `{"tasks":{}}`, `{"tasks":[1]}`, `{"tasks":"["}`, `{"parallelism":1e9}`, `{"memory":"x"}`, `{"spec":{"triggers":[null]}}`, `[]`, ``, `{"env":{"A":1}}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if b, err := parseJob(body); err != nil {
			refused(t, body, err)
		} else {
			var invalid runtime.Errors
			addInvalid(&invalid, &b.job)
			if err := invalid.Err(); err != nil {
				refused(t, body, err)
			}
		}
		if _, err := parseStart(body); err != nil {
			refused(t, body, err)
		}
		if tasks, err := parseTasks(body); err != nil {
			refused(t, body, err)
		} else if len(tasks) > runtime.MaxTasks+1 {
			t.Fatalf("%d tasks", len(tasks))
		}
	})
}

// FuzzListCursor reads cursors of lists. Only the cursor of this very list is read.
func FuzzListCursor(f *testing.F) {
	now := time.Unix(1_700_000_000, 0)
	l, other := list{tenant: "t", of: "jobs", sort: runtime.SortNameAsc}, list{tenant: "other", of: "jobs", sort: runtime.SortNameAsc}
	for _, cursor := range []string{l.cursor("position", now), other.cursor("position", now), l.cursor("old", now.Add(-48*time.Hour)), ""} {
		f.Add(cursor)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		position, err := l.openCursor(cursor, now)
		if err != nil {
			refused(t, cursor, err)
			return
		}
		if l.cursor(position, now) != cursor {
			t.Fatalf("%q is read as %q", cursor, position)
		}
		if _, err := other.openCursor(cursor, now); !errors.As(err, new(*runtime.Error)) {
			t.Fatalf("%q is valid for another tenant", cursor)
		}
	})
}

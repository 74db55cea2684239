//go:build linux

package customers

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/process"
)

// Report reports all breaches so far.
func (l *Load) Report(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	broken := l.broken
	l.broken = nil
	l.mu.Unlock()
	for _, breach := range broken {
		t.Error(breach)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// read sends a request that changes nothing, until it has an answer: the server that has the data may just change.
func read(t *testing.T, server *process.Client, method, path, body string) (r process.Reply) {
	t.Helper()
	process.Until(t, path+" is answered", func() (answered bool) {
		var err error
		r, err = server.Do(t.Context(), method, path, body)
		return err == nil && r.Status != http.StatusServiceUnavailable
	})
	if r.Status != http.StatusOK {
		t.Fatalf("%s %s: %d %s", method, path, r.Status, r.Body)
	}
	return r
}

// list reads all pages of the list of executions.
func list(t *testing.T, server *process.Client) (all []process.Execution) {
	t.Helper()
	for path := "/v1/executions/?include_completed=True"; path != ""; {
		r := read(t, server, "GET", path, "")
		all = append(all, process.Decode[[]process.Execution](t, r)...)
		path = r.Next()
	}
	return all
}

// LookUp reads executions, all of which must exist.
func (l *Load) LookUp(t *testing.T, server *process.Client, ids []string) {
	t.Helper()
	for some := range slices.Chunk(ids, runtime.MaxBulk) {
		tick := l.now()
		body, err := json.Marshal(some)
		if err != nil {
			t.Fatal(err)
		}
		all := process.Decode[[]process.Execution](t, read(t, server, "POST", "/v1/executions/bulk/", string(body)))
		if len(all) != len(some) {
			t.Fatalf("the answer has %d of %d executions", len(all), len(some))
		}
		for i, x := range all {
			if x.ID != some[i] {
				l.wrong("requested %s, got %s", some[i], x.ID)
			}
			l.saw(x, tick)
		}
	}
}

// Foreign begins the names of functions that customers do not use.
const Foreign = "foreign-"

// LookAtEnd waits until everything is done, and compares all executions with the ledger.
func (l *Load) LookAtEnd(t *testing.T, server *process.Client) {
	t.Helper()
	left := len(l.Unsettled())
	for left > 0 {
		// Wait as long as some executions end.
		process.Until(t, fmt.Sprintf("fewer than %d are not done, such as %v", left, l.example()), func() bool {
			ids := l.Unsettled()
			l.LookUp(t, server, ids[:min(len(ids), runtime.MaxBulk)])
			return len(l.Unsettled()) < left
		})
		left = len(l.Unsettled())
	}
	l.LookUp(t, server, l.ids)
	l.Report(t)

	listed, last := map[string]bool{}, ""
	strangers, byArgs := map[subject]int{}, map[int]string{}
	tick := l.now()
	for _, x := range list(t, server) {
		if last != "" && x.ID >= last {
			l.wrong("%s is listed after %s", x.ID, last)
		}
		last = x.ID
		listed[x.ID] = true
		if strings.HasPrefix(x.Name, Foreign) {
			continue
		}
		if !x.Done() {
			l.wrong("not done: %s", x.Text)
		}
		l.saw(x, tick)
		// A blocking run without a key has no id that its customer knows before the end.
		if l.promises[x.ID] == nil && x.Name != "now" && !strings.HasPrefix(x.Name, freshPrefix) {
			strangers[subject{x.Name, x.Kind == "run"}]++
		}
		if x.Kind == "run" && x.Status == process.Success {
			var o product
			if err := json.Unmarshal(x.Output, &o); err != nil || o.Square != o.N*o.N {
				l.wrong("the output does not belong to its args: %s", x.Text)
			}
			if twin := byArgs[o.N]; twin != "" {
				l.wrong("%s and %s belong to one request", twin, x.ID)
			}
			byArgs[o.N] = x.ID
		}
	}
	for _, id := range l.ids {
		if !listed[id] {
			l.wrong("%s is not listed", id)
		}
	}
	for of, n := range strangers {
		// The test deployed some functions before the customers started.
		deployed := n == 1 && !of.run && !strings.HasPrefix(of.function, "own-")
		if n > l.asked[of] && !deployed {
			l.wrong("%+v: %d executions have ids that no customer received, but only %d answers were lost", of, n, l.asked[of])
		}
	}
	l.checkLogs(t, server)
	l.checkJobs(t, server)
	l.checkHistories()
	l.Report(t)
	for _, what := range slices.Sorted(maps.Keys(l.count)) {
		t.Logf("%6d %s", l.count[what], what)
	}
}

// All returns all ids that customers have received.
func (l *ledger) All() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.ids)
}

// Accounts returns how many executions customers have ids of, and how many of these are done.
func (l *ledger) Accounts() (given, done int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ids), len(l.ids) - len(l.open)
}

// Count returns how often something has happened.
func (l *ledger) Count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count[what]
}

// checkLogs compares the logs of runs with what their functions print.
func (l *Load) checkLogs(t *testing.T, server *process.Client) {
	t.Helper()
	const most = 50
	compared := 0
	for id, p := range l.promises {
		if !strings.HasPrefix(p.function, "nap") || p.status != process.Success {
			continue
		}
		r := read(t, server, "GET", "/v1/executions/"+id+"/logs?format=raw", "")
		if want := fmt.Sprintf("run %d\n", p.n); string(r.Body) != want {
			l.wrong("%s wrote %q, want %q", id, r.Body, want)
		}
		if compared++; compared == most {
			break
		}
	}
	if compared == 0 {
		t.Error("no logs were compared")
	}
}

//go:build linux

package cpython

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/process"
)

//go:embed driver.py
var driver string

const (
	// functionName is the name under which the driver is deployed.
	functionName = "cpython"
	// runTimeout is the time limit of a run in seconds; a test that takes longer ends it.
	runTimeout = 300
	// runBudget is the time in seconds after which a run starts no further test.
	runBudget = 60
	// runMemory is the memory limit of a run in MB.
	runMemory = 1024
	// parallelRuns is the number of modules that run at once.
	parallelRuns = 2
	// mark begins the lines of a log that report progress: MARK of driver.py.
	mark = "\x1etest "
)

// driverArgs are the args of driver.py.
type driverArgs struct {
	Files  string   `json:"files"`
	Module string   `json:"module"`
	Start  int      `json:"start"`
	Only   []string `json:"only"`
	Budget float64  `json:"budget"`
	Root   string   `json:"root,omitempty"`
}

// driverResult is the result of driver.py.
type driverResult struct {
	Total   int    `json:"total"`
	Next    int    `json:"next"`
	Tests   []row  `json:"tests"`
	Skipped string `json:"skipped"`
	Failed  string `json:"failed"`
	Details string `json:"details"`
}

// row is a test as driver.py reports it: index, id, outcome, reason and details.
type row struct {
	index                        int
	id, outcome, reason, details string
}

func (r *row) UnmarshalJSON(text []byte) error {
	fields := []any{&r.index, &r.id, &r.outcome, &r.reason, &r.details}
	return json.Unmarshal(text, &fields)
}

// attempt is one run of driver.py: its result, or how the run ended instead and what it reported
// until then.
type attempt struct {
	result driverResult
	ended  Outcome // empty if there is a result
	error  string  // message of the run's error
	log    string
}

// runner runs driver.py once.
type runner func(ctx context.Context, args driverArgs) (attempt, error)

// runModule runs the tests of a module, or those with the given ids. A test that ends its run gets
// the run's end as its outcome, and the next run starts behind it.
func runModule(ctx context.Context, run runner, lib string, s Selection, ids []string) (Module, error) {
	m := Module{Selection: s}
	files, err := archive(lib, s.Name)
	if err != nil {
		return m, err
	}
	args := driverArgs{Files: base64.StdEncoding.EncodeToString(files), Module: s.Name, Only: ids, Budget: runBudget}
	add := func(r row) {
		m.Tests = append(m.Tests, Test{ID: r.id, Outcome: Outcome(r.outcome), Message: r.reason, Details: r.details})
	}
	whole := func(outcome Outcome, message, details string) (Module, error) {
		m.Tests = []Test{{ID: wholeModule, Outcome: outcome, Message: message, Details: details}}
		return m, nil
	}
	for {
		a, err := run(ctx, args)
		if err != nil {
			return m, fmt.Errorf("%s: %w", s.Name, err)
		}
		switch {
		case a.ended == "" && a.result.Skipped != "":
			return whole(Skipped, a.result.Skipped, "")
		case a.ended == "" && a.result.Failed != "":
			return whole(Errored, a.result.Failed, a.result.Details)
		case a.ended == "":
			for _, r := range a.result.Tests {
				add(r)
			}
			args.Start = a.result.Next
			if args.Start >= a.result.Total {
				sortTests(m.Tests)
				return m, nil
			}
			continue
		}
		// The run has ended in a test, or while it loaded the module.
		total, started, done := progress(a.log)
		for _, r := range done {
			add(r)
		}
		switch {
		case started != nil:
			started.outcome, started.reason = string(a.ended), a.error
			add(*started)
			args.Start = started.index + 1
		case len(done) > 0: // between two tests: most likely in what a class or module tears down
			args.Start = done[len(done)-1].index + 1
		default:
			return whole(a.ended, a.error, a.log)
		}
		if args.Start >= total {
			sortTests(m.Tests)
			return m, nil
		}
	}
}

// progress reads the log of a run: the number of the module's tests, the test in which the run
// ended, nil if it was none, and the tests that were done.
func progress(log string) (total int, started *row, done []row) {
	for _, line := range strings.Split(log, "\n") {
		_, text, ok := strings.Cut(line, mark)
		if !ok {
			continue
		}
		var event string
		var r row
		fields := []any{&event, &r.index, &r.id, &r.outcome, &r.reason}
		if json.Unmarshal([]byte(text), &fields) != nil {
			continue // the log is cut here
		}
		switch event {
		case "total":
			total = r.index
		case "start":
			started = &r
		case "end":
			started = nil
			done = append(done, r)
		}
	}
	return total, started, done
}

// inGuest returns a runner that runs the function functionName of a server.
func inGuest(client *process.Client) runner {
	return func(ctx context.Context, args driverArgs) (a attempt, err error) {
		body, err := json.Marshal(args)
		if err != nil {
			return a, err
		}
		submitted, err := client.Do(ctx, "POST", "/v1/functions/"+functionName+"/rpc/", string(body))
		if err != nil {
			return a, err
		}
		var id string
		if submitted.Status != http.StatusOK || json.Unmarshal(submitted.Body, &id) != nil {
			return a, fmt.Errorf("the server does not accept a run: %d %s", submitted.Status, submitted.Body)
		}
		var x process.Execution
		for late := time.Now().Add(4 * runTimeout * time.Second); !x.Done(); {
			if time.Now().After(late) {
				return a, fmt.Errorf("execution %s does not end", id)
			}
			r, err := client.Do(ctx, "GET", "/v1/executions/"+id+"?wait=60", "")
			if err != nil {
				return a, err
			}
			if err := json.Unmarshal(r.Body, &x); err != nil {
				return a, fmt.Errorf("%s: %w", r.Body, err)
			}
		}
		if x.Status == process.Success {
			return a, json.Unmarshal(x.Output, &a.result)
		}
		log, err := client.Do(ctx, "GET", "/v1/executions/"+id+"/logs?format=raw&stream=stderr", "")
		if err != nil {
			return a, err
		}
		a.log = string(log.Body)
		a.ended, a.error = Crashed, "no error"
		if x.Error != nil {
			a.error = x.Error.Message
			a.ended = endOf(x.Error.Code)
		}
		return a, nil
	}
}

// endOf returns the outcome of a test in which a run ended with an error code.
func endOf(code string) Outcome {
	for _, o := range []Outcome{Timeout, Memory, Stack, Exited} {
		if strings.Contains(code, string(o)) {
			return o
		}
	}
	return Crashed
}

// inNative returns a runner that runs the driver in a native Python.
func inNative(python, dir string) runner {
	return func(ctx context.Context, args driverArgs) (a attempt, err error) {
		root, err := os.MkdirTemp(dir, "native-")
		if err != nil {
			return a, err
		}
		defer os.RemoveAll(root)
		args.Root = root
		body, err := json.Marshal(args)
		if err != nil {
			return a, err
		}
		ctx, cancel := context.WithTimeout(ctx, runTimeout*time.Second)
		defer cancel()
		script := filepath.Join(root, "driver.py")
		if err := os.WriteFile(script, []byte(driver), 0o644); err != nil {
			return a, err
		}
		cmd := exec.CommandContext(ctx, python, script)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "TMPDIR="+root, "HOME="+root, "LANG=C.UTF-8")
		cmd.Stdin = bytes.NewReader(body)
		cmd.WaitDelay = time.Second
		var out, log bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &log
		if err := cmd.Run(); err != nil {
			a.ended, a.error, a.log = Crashed, err.Error(), log.String()
			if ctx.Err() != nil {
				a.ended = Timeout
			}
			return a, nil
		}
		if err := json.Unmarshal(out.Bytes(), &a.result); err != nil {
			return a, fmt.Errorf("the driver's result: %w\n%.1000s", err, out.String())
		}
		return a, nil
	}
}

func TestProgressFindsTheTestThatEndedTheRun(t *testing.T) {
	log := "noise\n" + mark + `["total", 4]` + "\n" +
		mark + `["start", 0, "a"]` + "\n" + mark + `["end", 0, "a", "passed", ""]` + "\n" +
		"a test's text " + mark + `["start", 1, "b"]` + "\n"
	total, started, done := progress(log)
	if total != 4 || started == nil || started.index != 1 || started.id != "b" || len(done) != 1 || done[0].outcome != "passed" {
		t.Errorf("total %d, started %+v, done %+v", total, started, done)
	}
	if _, started, done = progress(log + mark + `["end", 1, "b", "failed", "x"]` + "\n" + mark + `["sta`); started != nil || len(done) != 2 {
		t.Errorf("between two tests: started %+v, done %+v", started, done)
	}
}

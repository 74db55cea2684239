package sandbox

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
)

// TestLogsOfTheCaller verifies that a run writes the same log into the caller's buffer as into its
// own, however it ends.
func TestLogsOfTheCaller(t *testing.T) {
	const source = `
import os, sys, time
print("loaded")
def main(args, context):
    print("out")
    print("err", file=sys.stderr)
    print("out again")
    how = args["how"]
    if how == "flood":
        print("x" * 5000)
    elif how == "raise":
        raise ValueError(how)
    elif how == "exit":
        os._exit(3)
    elif how == "abort":
        os.abort()
    elif how == "endless":
        while True:
            pass
`
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, source, runtime.Limits{Timeout: time.Second, Logs: 3000})
		for how, class := range map[string]runtime.Class{
			"return": "", "flood": "", "raise": runtime.ClassError, "exit": runtime.ClassExited,
			"abort": runtime.ClassCrashed, "endless": runtime.ClassTimeout,
		} {
			c := runtime.RunCall{Program: p, Args: []byte(`{"how":"` + how + `"}`), Context: []byte("{}")}
			without, err := box.Run(context.Background(), c)
			if err != nil {
				t.Fatal(err)
			}
			c.Logs = runtime.NewLogBuffer(p.Limits.Logs)
			with, err := box.Run(context.Background(), c)
			if err != nil {
				t.Fatal(err)
			}
			if with.Failure == nil && class != "" || with.Failure != nil && with.Failure.Class != class {
				t.Errorf("%s: ended with %+v", how, with.Failure)
			}
			if len(without.Logs.Data) == 0 || without.Logs.Truncated != (how == "flood") || len(untimed(without.Logs).Marks) != 3 {
				t.Errorf("%s: without a buffer the logs are %+v", how, without.Logs)
			}
			if diff := cmp.Diff(untimed(without.Logs), untimed(with.Logs)); diff != "" {
				t.Errorf("%s: with a buffer the outcome has other logs: %s", how, diff)
			}
			if diff := cmp.Diff(with.Logs, c.Logs.End()); diff != "" {
				t.Errorf("%s: the buffer has other logs: %s", how, diff)
			}
		}
	})
}

// TestLogsWhenTheImageCannotBeRebuilt verifies that the log of a run whose image cannot be rebuilt
// is the log of the module body.
func TestLogsWhenTheImageCannotBeRebuilt(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		c := runtime.RunCall{
			Program: program("print('loading')\nraise ValueError\n", runtime.Limits{}),
			Args:    []byte("{}"), Context: []byte("{}"), Logs: runtime.NewLogBuffer(runtime.DefaultLogs),
		}
		o, err := box.Run(context.Background(), c)
		if err != nil || o.Failure == nil || o.Failure.Class != runtime.ClassError {
			t.Fatalf("got %+v, %v", o, err)
		}
		if logs := c.Logs.End(); string(logs.Data) != "loading\n" || !cmp.Equal(logs, o.Logs) {
			t.Errorf("the buffer has %+v, the outcome %+v", logs, o.Logs)
		}
	})
}

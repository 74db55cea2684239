package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/runargs"
	"github.com/faaspot/faaspot/cmd/fas/internal/shell"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// bulk is many runs of one function.
type bulk struct {
	*app
	client  *client.Client
	name    string   // of the function
	runs    [][]byte // args, JSON objects
	options client.RunOptions
	json    bool
}

// newBulk returns many runs. Their trace follows from the idempotency key, so that a command that is
// repeated with its key names the same runs.
func newBulk(a *app, c *client.Client, name string, runs [][]byte, o client.RunOptions, asJSON bool) *bulk {
	if o.IdempotencyKey == "" {
		o.IdempotencyKey = uuid.NewString()
	}
	sum := sha256.Sum256([]byte("faaspot bulk " + name + " " + o.IdempotencyKey))
	sum[0] |= 1 // neither half may be zero
	sum[8] |= 1
	o.TraceID = hex.EncodeToString(sum[:16])
	return &bulk{app: a, client: c, name: name, runs: runs, options: o, json: asJSON}
}

// runInBackground starts the runs and prints their ids as the server accepts them.
func (b *bulk) runInBackground(ctx context.Context) error {
	var line *ui.StatusLine
	if !ui.IsTerminal(b.Out) { // on a terminal the ids show the progress
		line = b.StatusLine()
	}
	defer line.Clear()
	array := ui.JSONArray{Out: b.Out}
	err := b.send(ctx, line, func(ids []string) error { return b.writeIDs(&array, ids) })
	if b.json {
		if endErr := array.End(); endErr != nil {
			return endErr
		}
		fmt.Fprintln(b.Out)
	}
	if err == nil && len(b.runs) > 0 && ui.IsTerminal(b.Out) && ui.IsTerminal(b.Err) {
		fmt.Fprintf(b.Err, "%d runs in the background; %s\n", len(b.runs), b.handle())
	}
	return err
}

// handle says how to wait for the runs, and how to cancel them.
func (b *bulk) handle() string {
	return fmt.Sprintf("%s waits for them, %s cancels them", b.command("bulk wait "+b.options.TraceID), b.command("bulk cancel "+b.options.TraceID))
}

func (b *bulk) writeIDs(array *ui.JSONArray, ids []string) error {
	for _, id := range ids {
		var err error
		if b.json {
			err = array.Add(id)
		} else {
			_, err = fmt.Fprintln(b.Out, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// send starts the runs, with as many requests as necessary, and calls accepted with the ids of
// each.
func (b *bulk) send(ctx context.Context, line *ui.StatusLine, accepted func(ids []string) error) error {
	key := b.options.IdempotencyKey
	sent := 0
	for n, part := range runargs.Chunks(b.runs, runtime.MaxBulk, runtime.MaxBulkArgs) {
		o := b.options
		o.IdempotencyKey = key
		if n > 0 {
			// A server that accepted the first request will accept the others too.
			o.IdempotencyKey, o.Patient = fmt.Sprintf("%s/%d", key, n+1), true
		}
		soFar := sent
		line.Set(func() string { return fmt.Sprintf("%d of %d runs accepted", soFar, len(b.runs)) })
		ids, err := b.client.SubmitBulk(ctx, b.name, part, o)
		if err != nil {
			return b.unsent(err, sent, key)
		}
		sent += len(ids)
		if err := accepted(ids); err != nil {
			return err
		}
	}
	return nil
}

// unsent returns the error of a request after a number of accepted runs. If runs were accepted, or
// may have been, it says how to send the rest.
func (b *bulk) unsent(err error, sent int, key string) error {
	_, stopped := errors.AsType[clierror.Interrupted](err)
	switch code := runtime.CodeOf(err); {
	case sent > 0 || stopped || code == clierror.CodeStoppedWaiting || code == runtime.CodeUnavailable:
	default:
		return err
	}
	return &runtime.Error{
		Code:    runtime.CodeOf(err),
		Message: fmt.Sprintf("%s; %d of %d runs are known to be accepted", clierror.Message(err), sent, len(b.runs)),
		Hint: "repeat the command with --idempotency-key " + shell.Quote(key) + ": no run is started twice; " +
			b.command("bulk cancel "+b.options.TraceID) + " cancels those that were accepted",
		Err: err,
	}
}

// runAndAwait starts the runs, waits until all are done, and prints how they ended.
func (b *bulk) runAndAwait(ctx context.Context, timeout ui.Seconds) error {
	ctx, stop := waitContext(ctx, timeout)
	defer stop()
	began := time.Now()
	progress := ui.NewBulkProgress(len(b.runs))
	ids, err := b.sendAndWait(ctx, progress)
	if err != nil {
		if !ui.IsTerminal(b.Out) {
			// So that the ids are not lost.
			array := ui.JSONArray{Out: b.Out}
			if err := b.writeIDs(&array, ids); err != nil {
				return err
			}
			if b.json {
				_ = array.End()
				fmt.Fprintln(b.Out)
			}
		}
		return err
	}
	return b.report(ctx, ids, progress, time.Since(began))
}

// report prints how runs ended, and returns an error if some did not succeed.
func (b *bulk) report(ctx context.Context, ids []string, progress *ui.BulkProgress, took time.Duration) error {
	tally, failed := progress.Result()
	var err error
	if b.json {
		err = b.writeResults(ctx, tally, ids)
	} else {
		_, err = fmt.Fprintf(b.Out, "%s in %s: %s\n", runsText(len(ids)), ui.DurationText(took), tally)
	}
	if err != nil {
		return err
	}
	return b.judge(tally, failed)
}

// runsText renders a number of runs.
func runsText(n int) string {
	if n == 1 {
		return "1 run"
	}
	return fmt.Sprintf("%d runs", n)
}

// sendAndWait starts the runs and waits until all are done.
func (b *bulk) sendAndWait(ctx context.Context, progress *ui.BulkProgress) (ids []string, err error) {
	line := b.StatusLine()
	defer line.Clear()
	err = b.send(ctx, line, func(more []string) error {
		ids = append(ids, more...)
		return nil
	})
	if err != nil {
		return ids, err
	}
	return ids, b.await(ctx, line, ids, progress)
}

// await waits until runs are done.
func (b *bulk) await(ctx context.Context, line *ui.StatusLine, ids []string, progress *ui.BulkProgress) error {
	line.Set(progress.Text)
	err := b.client.WaitAll(ctx, ids, progress.Done, progress.Retrying)
	tally, _ := progress.Result()
	hint := fmt.Sprintf("%d of %d runs are done; %s waits again, %s cancels the others",
		tally.Done(), len(ids), b.command("bulk wait "+b.options.TraceID), b.command("bulk cancel "+b.options.TraceID))
	return clierror.Resumable(err, hint)
}

// judge returns an error if runs did not succeed. It prints which, except for JSON, which has them.
func (b *bulk) judge(tally ui.Tally, failed []client.Execution) error {
	bad := tally.Total - tally.Succeeded
	if bad == 0 {
		return nil
	}
	if b.json {
		failed = nil
	}
	// They are in the order of their ends; the ids have the order of the runs.
	slices.SortFunc(failed, func(x, y client.Execution) int { return strings.Compare(x.ID, y.ID) })
	for _, x := range failed {
		fmt.Fprintf(b.Err, "%s: %s\n", x.ID, ui.OneLine(clierror.Message(x.Err())))
	}
	if more := bad - len(failed); more > 0 && !b.json {
		fmt.Fprintf(b.Err, "and %d more\n", more)
	}
	what := fmt.Sprintf("%d of %d runs", bad, tally.Total)
	if tally.Total == 1 {
		what = "the run"
	}
	return runtime.Errorf(clierror.CodeUnsuccessful, "%s did not succeed", what).
		WithHint(b.command("executions list --status failed,cancelled --trace "+b.options.TraceID) + " lists them")
}

// writeResults prints the tally and the executions in order as JSON.
func (b *bulk) writeResults(ctx context.Context, t ui.Tally, ids []string) error {
	head, err := ui.IndentJSON(t, "")
	if err != nil {
		return err
	}
	head = head[:len(head)-len("\n}")]
	if _, err := fmt.Fprintf(b.Out, "%s,\n  \"executions\": ", head); err != nil {
		return err
	}
	array := ui.JSONArray{Out: b.Out, Prefix: "  "}
	for len(ids) > 0 {
		some := ids[:min(len(ids), lookupAtOnce)]
		ids = ids[len(some):]
		list, err := b.client.ExecutionsByID(ctx, some)
		if err != nil {
			return err
		}
		for _, x := range list {
			if x.OutputOmitted { // omitted for its size in the list, but not alone
				if x, err = b.client.Execution(ctx, x.ID); err != nil {
					return err
				}
			}
			if err := array.Add(x); err != nil {
				return err
			}
		}
	}
	if err := array.End(); err != nil {
		return err
	}
	_, err = fmt.Fprint(b.Out, "\n}\n")
	return err
}

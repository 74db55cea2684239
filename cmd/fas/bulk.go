package main

import (
	"context"
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
	return err
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
	if key == "" {
		key = uuid.NewString()
	}
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
		Hint:    "repeat the command with --idempotency-key " + shell.Quote(key) + ": no run is started twice",
		Err:     err,
	}
}

// runAndAwait starts the runs, waits until all are done, and prints how they ended.
func (b *bulk) runAndAwait(ctx context.Context, timeout ui.Seconds) error {
	ctx, stop := waitContext(ctx, timeout)
	defer stop()
	began := time.Now()
	ids, progress, err := b.await(ctx)
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
	tally, failed := progress.Result()
	if b.json {
		err = b.writeResults(ctx, tally, ids)
	} else {
		_, err = fmt.Fprintf(b.Out, "%d runs in %s: %s\n", len(ids), ui.DurationText(time.Since(began)), tally)
	}
	if err != nil {
		return err
	}
	return b.judge(tally, failed)
}

// await starts the runs and waits until all are done.
func (b *bulk) await(ctx context.Context) (ids []string, progress *ui.BulkProgress, err error) {
	line := b.StatusLine()
	defer line.Clear()
	progress = ui.NewBulkProgress(len(b.runs))
	err = b.send(ctx, line, func(more []string) error {
		ids = append(ids, more...)
		return nil
	})
	if err != nil {
		return ids, progress, err
	}
	line.Set(progress.Text)
	err = b.client.WaitAll(ctx, ids, progress.Done, progress.Retrying)
	tally, _ := progress.Result()
	hint := fmt.Sprintf("%d of %d runs are done; %s lists the others",
		tally.Done(), len(ids), b.command("executions list --function "+b.name))
	return ids, progress, clierror.Resumable(err, hint)
}

// judge prints the runs that did not succeed, and returns an error if there are any.
func (b *bulk) judge(tally ui.Tally, failed []client.Execution) error {
	bad := tally.Total - tally.Succeeded
	if bad == 0 {
		return nil
	}
	// They are in the order of their ends; the ids have the order of the runs.
	slices.SortFunc(failed, func(x, y client.Execution) int { return strings.Compare(x.ID, y.ID) })
	for _, x := range failed {
		fmt.Fprintf(b.Err, "%s: %s\n", x.ID, ui.OneLine(clierror.Message(x.Err())))
	}
	if more := bad - len(failed); more > 0 {
		fmt.Fprintf(b.Err, "and %d more\n", more)
	}
	return runtime.Errorf(clierror.CodeUnsuccessful, "%d of %d runs did not succeed", bad, tally.Total).
		WithHint(b.command("executions list --status failed,cancelled --function "+b.name) + " lists them")
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

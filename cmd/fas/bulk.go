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

// runInBackground has the runs accepted and prints their ids, as they come.
func (b *bulk) runInBackground(ctx context.Context) error {
	var line *ui.StatusLine
	if !ui.IsTerminal(b.Out) { // else the ids show how it goes
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

// send has the runs accepted, in as many requests as it takes, and gives the ids
// of each to accepted.
func (b *bulk) send(ctx context.Context, line *ui.StatusLine, accepted func(ids []string) error) error {
	key := b.options.IdempotencyKey
	if key == "" {
		key = uuid.NewString()
	}
	sent := 0
	for n, part := range bulkParts(b.runs, runtime.MaxBulk, runtime.MaxBulkArgs) {
		o := b.options
		o.IdempotencyKey = key
		if n > 0 {
			// A server that took the first one will take the others, too.
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

// unsent is the error of a request, when so many runs were accepted before. If
// it is not known whether more were, or there were some, it says how to go on.
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
		Hint:    "repeat the command with --idempotency-key " + shell.Quote(key) + ": none is accepted twice",
		Err:     err,
	}
}

// runAndAwait has the runs accepted, waits until all are done and tells how they
// ended.
func (b *bulk) runAndAwait(ctx context.Context, timeout ui.Seconds) error {
	ctx, stop := waitContext(ctx, timeout)
	defer stop()
	began := time.Now()
	ids, bar, err := b.await(ctx)
	if err != nil {
		if !ui.IsTerminal(b.Out) {
			// They are not lost with the waiting.
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
	if b.json {
		err = b.writeResults(ctx, bar.Tally, ids)
	} else {
		_, err = fmt.Fprintf(b.Out, "%d runs in %s: %s\n", len(ids), ui.DurationText(time.Since(began)), &bar.Tally)
	}
	if err != nil {
		return err
	}
	return b.judge(bar)
}

// await has the runs accepted and waits until all are done.
func (b *bulk) await(ctx context.Context) (ids []string, bar *ui.ProgressBar, err error) {
	line := b.StatusLine()
	defer line.Clear()
	bar = ui.NewProgressBar(len(b.runs))
	err = b.send(ctx, line, func(more []string) error {
		ids = append(ids, more...)
		return nil
	})
	if err != nil {
		return ids, bar, err
	}
	line.Set(bar.Text)
	err = b.client.WaitAll(ctx, ids, bar.Done, bar.Retrying)
	hint := fmt.Sprintf("%d of %d are done; %s shows the others",
		bar.Tally.Done(), len(ids), b.command("executions list --function "+b.name))
	return ids, bar, clierror.Resumable(err, hint)
}

// judge tells of runs that did not succeed, and is an error if there are any.
func (b *bulk) judge(bar *ui.ProgressBar) error {
	bad := bar.Tally.Total - bar.Tally.Succeeded
	if bad == 0 {
		return nil
	}
	// Found in the order of their ends; ids are in the order of the runs.
	slices.SortFunc(bar.Failed, func(x, y client.Execution) int { return strings.Compare(x.ID, y.ID) })
	for _, x := range bar.Failed {
		fmt.Fprintf(b.Err, "%s: %s\n", x.ID, ui.OneLine(clierror.Message(x.Err())))
	}
	if more := bad - len(bar.Failed); more > 0 {
		fmt.Fprintf(b.Err, "and %d more\n", more)
	}
	return runtime.Errorf(clierror.CodeUnsuccessful, "%d of %d runs did not succeed", bad, bar.Tally.Total).
		WithHint(b.command("executions list --status failed,cancelled --function "+b.name) + " lists them")
}

// writeResults prints the tally and the executions, in order, as JSON.
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
			if x.OutputOmitted { // for its size: alone it is told
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

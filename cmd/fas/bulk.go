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
	"github.com/faaspot/faaspot/runtime"
)

// toldFailures is how many of the runs that did not succeed are told one by one.
const toldFailures = 10

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
	var line *statusLine
	if !isTerminal(b.stdout) { // else the ids show how it goes
		line = b.statusLine()
	}
	defer line.clear()
	array := jsonArray{out: b.stdout}
	err := b.send(ctx, line, func(ids []string) error { return b.writeIDs(&array, ids) })
	if b.json {
		if endErr := array.end(); endErr != nil {
			return endErr
		}
		fmt.Fprintln(b.stdout)
	}
	return err
}

func (b *bulk) writeIDs(array *jsonArray, ids []string) error {
	for _, id := range ids {
		var err error
		if b.json {
			err = array.add(id)
		} else {
			_, err = fmt.Fprintln(b.stdout, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// send has the runs accepted, in as many requests as it takes, and gives the ids
// of each to accepted.
func (b *bulk) send(ctx context.Context, line *statusLine, accepted func(ids []string) error) error {
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
		line.say(func() string { return fmt.Sprintf("%d of %d runs accepted", soFar, len(b.runs)) })
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
	_, stopped := errors.AsType[interrupted](err)
	switch code := runtime.CodeOf(err); {
	case sent > 0 || stopped || code == codeStoppedWaiting || code == runtime.CodeUnavailable:
	default:
		return err
	}
	return &runtime.Error{
		Code:    runtime.CodeOf(err),
		Message: fmt.Sprintf("%s; %d of %d runs are known to be accepted", problem(err), sent, len(b.runs)),
		Hint:    "repeat the command with --idempotency-key " + shellQuote(key) + ": none is accepted twice",
		Err:     err,
	}
}

// tally counts how runs ended. Its JSON form is a promise of --json.
type tally struct {
	Total     int `json:"total"`
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
	Cancelled int `json:"cancelled"`
	NotFound  int `json:"not_found"` // the server does not know them any more
}

func (t *tally) count(x client.Execution) {
	switch x.Status {
	case client.StatusSuccess:
		t.Succeeded++
	case client.StatusCancelled:
		t.Cancelled++
	case client.StatusNotFound:
		t.NotFound++
	default:
		t.Failed++
	}
}

func (t *tally) done() int { return t.Succeeded + t.Failed + t.Cancelled + t.NotFound }

func (t *tally) String() string {
	s := fmt.Sprintf("%d succeeded, %d failed, %d cancelled", t.Succeeded, t.Failed, t.Cancelled)
	if t.NotFound > 0 {
		s += fmt.Sprintf(", %d not found", t.NotFound)
	}
	return s
}

// runAndAwait has the runs accepted, waits until all are done and tells how they
// ended.
func (b *bulk) runAndAwait(ctx context.Context, timeout seconds) error {
	ctx, stop := waitContext(ctx, timeout)
	defer stop()
	began := time.Now()
	ids, bar, err := b.await(ctx)
	if err != nil {
		if !isTerminal(b.stdout) {
			// They are not lost with the waiting.
			array := jsonArray{out: b.stdout}
			if err := b.writeIDs(&array, ids); err != nil {
				return err
			}
			if b.json {
				_ = array.end()
				fmt.Fprintln(b.stdout)
			}
		}
		return err
	}
	if b.json {
		err = b.writeResults(ctx, bar.tally, ids)
	} else {
		_, err = fmt.Fprintf(b.stdout, "%d runs in %s: %s\n", len(ids), durationText(time.Since(began)), &bar.tally)
	}
	if err != nil {
		return err
	}
	return b.judge(bar)
}

// await has the runs accepted and waits until all are done.
func (b *bulk) await(ctx context.Context) (ids []string, bar *progressBar, err error) {
	line := b.statusLine()
	defer line.clear()
	bar = newProgressBar(len(b.runs))
	err = b.send(ctx, line, func(more []string) error {
		ids = append(ids, more...)
		return nil
	})
	if err != nil {
		return ids, bar, err
	}
	line.say(bar.text)
	err = b.client.WaitAll(ctx, ids, bar.done, bar.troubled)
	hint := fmt.Sprintf("%d of %d are done; %s shows the others",
		bar.tally.done(), len(ids), b.command("executions list --function "+b.name))
	return ids, bar, resumable(err, hint)
}

// judge tells of runs that did not succeed, and is an error if there are any.
func (b *bulk) judge(bar *progressBar) error {
	bad := bar.tally.Total - bar.tally.Succeeded
	if bad == 0 {
		return nil
	}
	// Found in the order of their ends; ids are in the order of the runs.
	slices.SortFunc(bar.failed, func(x, y client.Execution) int { return strings.Compare(x.ID, y.ID) })
	for _, x := range bar.failed {
		fmt.Fprintf(b.stderr, "%s: %s\n", x.ID, oneLine(problem(x.Err())))
	}
	if more := bad - len(bar.failed); more > 0 {
		fmt.Fprintf(b.stderr, "and %d more\n", more)
	}
	return runtime.Errorf(codeUnsuccessful, "%d of %d runs did not succeed", bad, bar.tally.Total).
		WithHint(b.command("executions list --status failed,cancelled --function "+b.name) + " lists them")
}

// codeUnsuccessful is a bulk of which some did not succeed.
const codeUnsuccessful runtime.Code = "unsuccessful"

// writeResults prints the tally and the executions, in order, as JSON.
func (b *bulk) writeResults(ctx context.Context, t tally, ids []string) error {
	head, err := indented(t, "")
	if err != nil {
		return err
	}
	head = head[:len(head)-len("\n}")]
	if _, err := fmt.Fprintf(b.stdout, "%s,\n  \"executions\": ", head); err != nil {
		return err
	}
	array := jsonArray{out: b.stdout, prefix: "  "}
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
			if err := array.add(x); err != nil {
				return err
			}
		}
	}
	if err := array.end(); err != nil {
		return err
	}
	_, err = fmt.Fprint(b.stdout, "\n}\n")
	return err
}

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// operationFields are the fields that --json of operations promises.
const operationFields = `  uuid, kind (rerun or cancel), state (running, done, cancelled or failed), filter:
  function, status (a list), created_after, created_before, trace_id, where (null: any);
  matched (executions so far), done, failed, skipped, error (of the last one that
  failed, or of the operation, or null), created, finished (RFC 3339, or null), trace_id
  (of new executions), user_id`

// operationEvery is the interval at which the progress of an operation is read.
const operationEvery = 500 * time.Millisecond

func newOperations(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "operations",
		Aliases: []string{"operation", "ops"},
		GroupID: groupFunctions,
		Short:   "List, watch and stop operations on many executions",
		Long: `List, watch and stop operations on many executions, which "fas executions rerun" and
"fas executions cancel" start with a filter in place of ids. The server continues them
after a restart, and stores the last 32.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	cmd.AddCommand(newOperationsList(a), newOperationsGet(a), newOperationsCancel(a))
	return cmd
}

func newOperationsList(a *app) *cobra.Command {
	var flags listFlags
	cmd := &cobra.Command{
		Use:     "list [--json | --quiet]",
		Aliases: []string{"ls"},
		Short:   "List operations",
		Long: `List operations, newest first.

On a terminal the output is a table; elsewhere each operation is a line of
tab-separated fields without a heading: uuid, kind, state, created, matched, done,
failed, skipped, error.

With --json it is an array of objects with the fields

` + operationFields,
		Example: `  fas operations list`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			all, err := c.Operations(cmd.Context())
			if err != nil {
				return err
			}
			return printList(a, &flags, all, operationTable(a.Out, ui.IsTerminal(a.Out)), func(o client.Operation) string { return o.UUID }, "no operations")
		},
	}
	flags.add(cmd, "ids")
	return cmd
}

func newOperationsGet(a *app) *cobra.Command {
	var wait, asJSON bool
	cmd := &cobra.Command{
		Use:   "get ID [--wait] [--json]",
		Short: "Show an operation, or wait for it",
		Long: `Show an operation and its progress. With --wait, wait until it is done; the exit status
is 1 if some executions were refused, or the operation was cancelled or has failed.

With --json the output is an object with the fields

` + operationFields,
		Example: `  fas operations get $ID --wait`,
		Args:    arguments("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := operationID(args[0]); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			o, err := c.Operation(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.reportOperation(cmd.Context(), c, o, wait, asJSON)
		},
	}
	cmd.Flags().BoolVarP(&wait, "wait", "w", false, "wait until the operation is done")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func newOperationsCancel(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cancel ID [--json]",
		Short: "Stop an operation",
		Long: `Stop an operation. What it has done stays.

With --json the output is an object with the fields

` + operationFields,
		Example: `  fas operations cancel $ID`,
		Args:    arguments("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := operationID(args[0]); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			o, err := c.CancelOperation(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.writeOperation(o, asJSON)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// operationID checks an id before it becomes part of a URL.
func operationID(id string) error {
	if err := executionID(id); err != nil {
		return clierror.Usagef("`fas operations list` lists them", "%s is not the id of an operation", ui.Quote(id))
	}
	return nil
}

// operationTable returns the table of operations.
func operationTable(out io.Writer, people bool) *ui.Table[client.Operation] {
	return &ui.Table[client.Operation]{
		Out: out, ForPeople: people, Heading: "ID\tKIND\tSTATE\tCREATED\tMATCHED\tDONE\tFAILED\tSKIPPED\tERROR", Elastic: "ERROR", Optional: "ERROR\tCREATED",
		Row: func(o client.Operation, people bool) string {
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s", o.UUID, o.Kind, o.State, ui.Timestamp(o.Created.Time, people),
				o.Matched, o.Done, o.Failed, o.Skipped, ui.OneLine(orEmpty(o.Error)))
		},
	}
}

// progressText describes how far an operation is.
func progressText(o *client.Operation) string {
	done := "repeated"
	if o.Kind == string(runtime.OperationCancel) {
		done = "cancelled"
	}
	text := fmt.Sprintf("%d of %d executions %s", o.Done, o.Matched, done)
	if o.Failed > 0 {
		text += fmt.Sprintf(", %d failed", o.Failed)
	}
	if o.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped", o.Skipped)
	}
	return text
}

func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// reportOperation waits for an operation, if wait is true, and prints it.
func (a *app) reportOperation(ctx context.Context, c *client.Client, o client.Operation, wait, asJSON bool) error {
	if wait {
		var err error
		if o, err = a.awaitOperation(ctx, c, o); err != nil {
			return err
		}
	}
	if err := a.writeOperation(o, asJSON); err != nil || !wait {
		return err
	}
	switch {
	case o.State == client.OperationFailed:
		return runtime.Errorf(clierror.CodeUnsuccessful, "the operation has failed: %s", ui.OneLine(orEmpty(o.Error)))
	case o.State == client.OperationCancelled:
		return runtime.Errorf(clierror.CodeUnsuccessful, "the operation was cancelled")
	case o.Failed > 0:
		return runtime.Errorf(clierror.CodeUnsuccessful, "%d of %d executions were refused", o.Failed, o.Matched).WithHint(ui.OneLine(orEmpty(o.Error)))
	}
	return nil
}

// writeOperation prints an operation.
func (a *app) writeOperation(o client.Operation, asJSON bool) error {
	if asJSON {
		return a.WriteJSON(o)
	}
	_, err := fmt.Fprintf(a.Out, "%s\t%s\t%s\n", ui.OneLine(o.UUID), ui.OneLine(o.State), progressText(&o))
	return err
}

// awaitOperation waits until an operation does not run any more, with a status line on a terminal.
func (a *app) awaitOperation(ctx context.Context, c *client.Client, o client.Operation) (client.Operation, error) {
	line := a.StatusLine()
	defer line.Clear()
	var shown atomic.Pointer[client.Operation]
	shown.Store(&o)
	line.Set(func() string { return progressText(shown.Load()) })
	for id := o.UUID; o.State == client.OperationRunning; {
		timer := time.NewTimer(operationEvery)
		var err error
		select {
		case <-timer.C:
			o, err = c.Operation(ctx, id)
		case <-ctx.Done():
			timer.Stop()
			err = context.Cause(ctx)
		}
		if err != nil {
			return o, clierror.Resumable(err, fmt.Sprintf("%s waits again, %s stops it", a.command("operations get "+id+" --wait"), a.command("operations cancel "+id)))
		}
		now := o
		shown.Store(&now)
	}
	return o, nil
}

// bulkFlags are the flags of commands that start an operation in place of taking ids.
type bulkFlags struct {
	function, since, until, trace string
	statuses, where               []string
	yes, noWait                   bool
}

// bulkFilters are the flags of which one makes such a command start an operation.
var bulkFilters = []string{"function", "status", "since", "until", "trace", "where"}

func (b *bulkFlags) flags(cmd *cobra.Command, a *app, verb, statuses string) {
	f := cmd.Flags()
	f.StringVar(&b.function, "function", "", verb+" all executions of the function `NAME`")
	f.StringSliceVar(&b.statuses, "status", nil, verb+" all executions with a `STATUS`: "+statuses)
	f.StringVar(&b.since, "since", "", verb+" all executions accepted at `WHEN` or later, see \"fas executions list\"")
	f.StringVar(&b.until, "until", "", verb+" all executions accepted before `WHEN`")
	f.StringVar(&b.trace, "trace", "", verb+" all executions of the trace with this `ID`")
	whereFlag(cmd, &b.where, verb+" all executions for which `EXPRESSION` holds, see \"fas executions list\"; repeatable")
	f.BoolVarP(&b.yes, "yes", "y", false, "with a filter: do not ask for confirmation")
	f.BoolVar(&b.noWait, "no-wait", false, "with a filter: print the id of the operation, and do not wait")
	_ = cmd.RegisterFlagCompletionFunc("function", a.completeFunctionFlag)
}

// given reports whether a filter is given.
func (b *bulkFlags) given(cmd *cobra.Command) bool {
	for _, name := range bulkFilters {
		if cmd.Flags().Changed(name) {
			return true
		}
	}
	return false
}

// request returns the request that the flags describe.
func (b *bulkFlags) request(kind runtime.OperationKind, now time.Time) (r client.OperationRequest, err error) {
	r = client.OperationRequest{Kind: string(kind), Function: b.function, TraceID: b.trace}
	if b.function != "" {
		if err := functionName(b.function); err != nil {
			return r, err
		}
	}
	if b.trace != "" && !traceID.MatchString(b.trace) {
		return r, clierror.Usagef("give 32 hexadecimal digits, as `fas executions search` prints them", "--trace: %s is not the id of a trace", ui.Quote(b.trace))
	}
	if r.Where, err = whereText(b.where); err != nil {
		return r, err
	}
	statuses, err := executionStatuses(b.statuses)
	if err != nil {
		return r, err
	}
	r.Status = strings.Join(statuses, ",")
	after, err := ui.ParseTime("since", b.since, now)
	if err != nil {
		return r, err
	}
	before, err := ui.ParseTime("until", b.until, now)
	if err != nil {
		return r, err
	}
	r.CreatedAfter, r.CreatedBefore = rfc3339(after), rfc3339(before)
	return r, nil
}

func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// describe returns the executions that a request selects, in words.
func (b *bulkFlags) describe(r *client.OperationRequest) string {
	text := "all executions"
	if r.Status != "" {
		text += " that are " + r.Status
	} else if r.Kind == string(runtime.OperationRerun) {
		text += " that failed"
	} else {
		text += " that are not done"
	}
	for _, part := range [][2]string{{" of ", r.Function}, {" of the trace ", r.TraceID}, {" accepted since ", r.CreatedAfter}, {" accepted before ", r.CreatedBefore}, {" with ", r.Where}} {
		if part[1] != "" {
			text += part[0] + part[1]
		}
	}
	return text
}

// start starts an operation, after a confirmation, and reports it.
func (b *bulkFlags) start(cmd *cobra.Command, a *app, kind runtime.OperationKind, asJSON bool) error {
	r, err := b.request(kind, time.Now())
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	if !b.yes && ui.IsTerminal(a.In) {
		verb := map[runtime.OperationKind]string{runtime.OperationRerun: "run again", runtime.OperationCancel: "cancel"}[kind]
		if err := a.Confirm(cmd.Context(), fmt.Sprintf("%s %s on %s?", verb, b.describe(&r), c.URL())); err != nil {
			return err
		}
	}
	o, err := c.StartOperation(cmd.Context(), r)
	if err != nil {
		return err
	}
	return a.reportOperation(cmd.Context(), c, o, !b.noWait, asJSON)
}

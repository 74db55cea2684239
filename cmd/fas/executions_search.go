package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/filterexpr"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

func newExecutionsSearch(a *app) *cobra.Command {
	var q searchFlags
	var limit int
	var all, asJSON, quiet bool
	cmd := &cobra.Command{
		Use:     "search {--function NAME | --job NAME | --rid RID} [--where EXPRESSION]... [--since WHEN] [--until WHEN] [--limit N | --all] [--json | --quiet]",
		Aliases: []string{"find"},
		Short:   "Find executions that are done",
		Long: `Find executions of a function or a job that are done, those that started last
first. An execution of a job is one, however many tasks it has; its tasks are
executions of its function. Without --since these are those of the last 24 hours.

An EXPRESSION has conditions with "and", "or", "not" and parentheses between them;
several --where must all be true:

  status     succeeded or failed                    =  !=  in
  duration   500ms, 30s, 2m, 1h30m                  >=  <=
  user       who asked                              =  !=  in  is null
  caller     the rid of the job that asked          =  !=  in  is null
  version    of the function, or revision           =  !=  in
  reason     of a failure: error, timeout,          =  !=  in
             cancelled, memory and so on
  trace      32 hexadecimal digits                  =  !=  in
  owner      the rid with which the trace began     =  !=  in

"in" and "not in" are followed by (VALUE, VALUE), "is" by null or not null. A value
with other characters than letters, digits and -_.:/@*~+% is in double quotes.

WHEN is as in "fas executions list", but about when they started.

On a terminal this is a table; elsewhere each execution is a line of fields with
tabs between them, without a heading: startTime, status, duration in ms,
failureReason, resourceVersion, callerRid, foundryTraceId. If there are more than
--limit, the standard error says so. "fas executions list --trace" finds the runs of
a trace, with their logs.

With --json it is an array of objects with the fields

  resourceRid, resourceVersion, foundryTraceId, traceOwningRid, status (SUCCEEDED or
  FAILED), startTime (RFC 3339), duration: value, unit (MILLISECONDS); and as known
  failureReason, callerRid`,
		Example: `  fas executions search --function bill --where status=failed --since 7d
  fas executions search --job nightly --where 'duration >= 30s and not reason in (timeout, cancelled)'
  fas executions search --function bill --where 'caller is not null' -q | sort -u`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := exclusive(cmd, "json", "quiet"); err != nil {
				return err
			}
			if err := exclusive(cmd, "limit", "all"); err != nil {
				return err
			}
			if err := checkLimit(limit); err != nil {
				return err
			}
			if all {
				limit = 0
			}
			search, err := q.search(cmd, time.Now())
			if err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			if search.RID, err = q.resource(cmd, c); err != nil {
				return err
			}
			table := observedTable(a.Out, ui.IsTerminal(a.Out))
			list := ui.Pages[client.Observed]{
				Terminal: &a.Terminal, AsJSON: asJSON, Quiet: quiet, Table: table.Write,
				ID: func(x client.Observed) string { return x.TraceID },
			}
			more, err := c.SearchExecutions(cmd.Context(), search, limit, list.Page)
			if err != nil {
				return err
			}
			nothing := "there are no such executions"
			if q.since == "" {
				nothing += " of the last 24 hours; --since 7d looks further back"
			}
			return list.End(more, limit, nothing)
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.function, "function", "", "the executions of the function `NAME`")
	f.StringVar(&q.job, "job", "", "the executions of the job `NAME`")
	f.StringVar(&q.rid, "rid", "", "the executions of the function or job with the `RID`")
	f.StringArrayVar(&q.where, "where", nil, "only those of which the `EXPRESSION` is true, as often as needed")
	f.StringVar(&q.since, "since", "", "only those that started at this time or later (`WHEN`, default 24h)")
	f.StringVar(&q.until, "until", "", "only those that started before this time (`WHEN`)")
	limitFlag(cmd, &limit, "executions")
	f.BoolVar(&all, "all", false, "all of them, as --limit 0")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	f.BoolVarP(&quiet, "quiet", "q", false, "print the ids of their traces only")
	_ = cmd.RegisterFlagCompletionFunc("function", a.completeFunctionFlag)
	_ = cmd.RegisterFlagCompletionFunc("job", a.completeJobFlag)
	_ = cmd.RegisterFlagCompletionFunc("where", cobra.FixedCompletions(whereWords(), cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
	for _, name := range []string{"since", "until", "rid"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	return cmd
}

// searchFlags say what to find.
type searchFlags struct {
	function, job, rid string
	where              []string
	since, until       string
}

// search reads what does not need a server.
func (q *searchFlags) search(cmd *cobra.Command, now time.Time) (s client.Search, err error) {
	if err := exclusive(cmd, "function", "job", "rid"); err != nil {
		return s, err
	}
	switch {
	case q.function != "":
		err = functionName(q.function)
	case q.job != "":
		err = jobName(q.job)
	case q.rid == "":
		err = clierror.Usagef("give --function NAME, --job NAME or --rid RID", "it is not said of what to search the executions")
	}
	if err != nil {
		return s, err
	}
	if s.Start, err = ui.ParseTime("since", q.since, now); err != nil {
		return s, err
	}
	if s.End, err = ui.ParseTime("until", q.until, now); err != nil {
		return s, err
	}
	var filters []runtime.SearchFilter
	for _, expression := range q.where {
		f, err := filterexpr.Parse(expression)
		if err != nil {
			return s, err
		}
		filters = append(filters, f)
	}
	if len(filters) == 0 {
		return s, nil
	}
	filter := filterexpr.And(filters)
	if err := filter.Validate(); err != nil {
		return s, err
	}
	s.Where, err = filterexpr.JSON(filter)
	return s, err
}

// resource finds the rid of what the executions are of.
func (q *searchFlags) resource(cmd *cobra.Command, c *client.Client) (string, error) {
	switch {
	case q.function != "":
		f, err := c.Function(cmd.Context(), q.function)
		return f.RID, err
	case q.job != "":
		j, err := c.Job(cmd.Context(), q.job)
		return j.Metadata.RID, err
	}
	return q.rid, nil
}

// whereWords are how conditions begin.
func whereWords() []string {
	return strings.Fields("status=failed status=succeeded duration>= duration<= user= caller= version= reason= trace= owner=")
}

// observedTable shows executions that were found.
func observedTable(out io.Writer, people bool) *ui.Table[client.Observed] {
	return &ui.Table[client.Observed]{
		Out: out, ForPeople: people, Heading: "STARTED\tSTATUS\tTOOK\tREASON\tVERSION\tTRACE\tCALLER",
		Row: func(x client.Observed, people bool) string {
			if people {
				took := ui.DurationText(time.Duration(x.Duration.Value) * time.Millisecond)
				return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s", ui.Timestamp(x.Start, true), x.Status, took, x.FailureReason, x.ResourceVersion, x.TraceID, x.CallerRID)
			}
			return fmt.Sprintf("%s\t%s\t%d\t%s\t%s\t%s\t%s", ui.Timestamp(x.Start, false), x.Status, x.Duration.Value, x.FailureReason, x.ResourceVersion, x.CallerRID, x.TraceID)
		},
	}
}

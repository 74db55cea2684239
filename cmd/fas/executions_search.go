package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/httpapi/filterexpr"
	"github.com/faaspot/faaspot/runtime"
)

func newExecutionsSearch(a *app) *cobra.Command {
	var q searchFlags
	var flags listFlags
	var all bool
	cmd := &cobra.Command{
		Use:     "search {--function NAME | --job NAME | --rid RID} [--where EXPRESSION]... [--since WHEN] [--until WHEN] [--limit N | --all] [--json | --quiet]",
		Aliases: []string{"find"},
		Short:   "Search finished executions",
		Long: `Find finished executions of a function or a job, newest start first. An execution of
a job counts as one, however many tasks it has; its tasks are executions of its
function. Without --since the search covers the last 24 hours.

An EXPRESSION combines conditions with "and", "or", "not" and parentheses. Several
--where must all hold:

  status     succeeded or failed                    =  !=  in
  duration   500ms, 30s, 2m, 1h30m                  >=  <=
  user       who sent the request                   =  !=  in  is null
  caller     rid of the job that sent it            =  !=  in  is null
  version    of the function, or revision           =  !=  in
  reason     of a failure: error, timeout,          =  !=  in
             cancelled, memory etc.
  trace      32 hexadecimal digits                  =  !=  in
  owner      rid with which the trace began         =  !=  in

"in" and "not in" take a list (VALUE, VALUE); "is" takes null or not null. A value
needs double quotes unless it consists of letters, digits and -_.:/@*~+%.

WHEN is as in "fas executions list", but refers to the start of the execution.

On a terminal the output is a table; elsewhere each execution is a line of
tab-separated fields without a heading: startTime, status, duration in ms,
failureReason, resourceVersion, callerRid, foundryTraceId, id. The status is
CANCELLED if the reason of a failure is cancelled. The id is that of the run, as in
"fas executions logs", or of the execution of the job. If there are more than
--limit, the standard error says so.

To search the executions of all functions, and those that are not done, use
"fas executions list -i --where EXPRESSION".

With --json it is an array of objects with the fields

  resourceRid, resourceVersion, foundryTraceId, traceOwningRid, status (SUCCEEDED or
  FAILED), startTime (RFC 3339), duration: value, unit (MILLISECONDS), executionId,
  durationMs; and, if known, failureReason, callerRid`,
		Example: `  fas executions search --function bill --where status=failed --since 7d
  fas executions search --job nightly --where 'duration >= 30s and not reason in (timeout, cancelled)'
  fas executions search --function bill --where 'caller is not null' -q | sort -u`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			if err := exclusive(cmd, "limit", "all"); err != nil {
				return err
			}
			if all {
				flags.limit = 0
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
			list := newPages(a, &flags, observedTable(a.Out, ui.IsTerminal(a.Out)), func(x client.Observed) string { return x.TraceID })
			more, err := c.SearchExecutions(cmd.Context(), search, flags.limit, list.Page)
			if err != nil {
				return err
			}
			nothing := "no such executions"
			if q.since == "" {
				nothing += " in the last 24 hours; --since 7d searches further back"
			}
			return list.End(more, flags.limit, nothing)
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.function, "function", "", "search executions of the function `NAME`")
	f.StringVar(&q.job, "job", "", "search executions of the job `NAME`")
	f.StringVar(&q.rid, "rid", "", "search executions of the function or job with this `RID`")
	whereFlag(cmd, &q.where, "only executions for which `EXPRESSION` holds; repeatable")
	f.StringVar(&q.since, "since", "", "only executions that started at `WHEN` or later (default 24h)")
	f.StringVar(&q.until, "until", "", "only executions that started before `WHEN`")
	flags.addLimit(cmd, "executions")
	f.BoolVar(&all, "all", false, "no limit, as --limit 0")
	flags.add(cmd, "the ids of their traces")
	_ = cmd.RegisterFlagCompletionFunc("function", a.completeFunctionFlag)
	_ = cmd.RegisterFlagCompletionFunc("job", a.completeJobFlag)
	return cmd
}

// searchFlags are the flags that select executions.
type searchFlags struct {
	function, job, rid string
	where              []string
	since, until       string
}

// search returns the search without its resource, which needs the server.
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
		err = clierror.Usagef("give --function NAME, --job NAME or --rid RID; `fas executions list -i --where EXPRESSION` searches all functions", "the function or job to search is missing")
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
	filter, err := whereOf(q.where)
	if err != nil || filter == nil {
		return s, err
	}
	s.Where, err = filterexpr.JSON(*filter)
	return s, err
}

// whereOf returns the filter for which all expressions hold, nil if there are none.
func whereOf(expressions []string) (*runtime.SearchFilter, error) {
	var filters []runtime.SearchFilter
	for _, expression := range expressions {
		f, err := filterexpr.Parse(expression)
		if err != nil {
			return nil, err
		}
		filters = append(filters, f)
	}
	if len(filters) == 0 {
		return nil, nil
	}
	filter := filterexpr.And(filters)
	return &filter, filter.Validate()
}

// whereText returns the expression that says what all expressions say, empty if there are none.
func whereText(expressions []string) (string, error) {
	filter, err := whereOf(expressions)
	if err != nil || filter == nil {
		return "", err
	}
	return filterexpr.Format(*filter), nil
}

// whereFlag adds the flag --where.
func whereFlag(cmd *cobra.Command, where *[]string, usage string) {
	cmd.Flags().StringArrayVar(where, "where", nil, usage)
	_ = cmd.RegisterFlagCompletionFunc("where", cobra.FixedCompletions(whereWords(), cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
}

// resource returns the rid of the function or job.
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

// whereWords returns the beginnings of conditions.
func whereWords() []string {
	return strings.Fields("status=failed status=succeeded duration>= duration<= user= caller= version= reason= trace= owner=")
}

// observedTable returns the table of found executions.
func observedTable(out io.Writer, people bool) *ui.Table[client.Observed] {
	return &ui.Table[client.Observed]{
		Out: out, ForPeople: people, Heading: "STARTED\tSTATUS\tTOOK\tREASON\tVERSION\tID\tTRACE\tCALLER", Elastic: "REASON", Optional: "CALLER\tTRACE\tVERSION\tREASON",
		Row: func(x client.Observed, people bool) string {
			ms := float64(x.Duration.Value)
			if x.DurationMS != nil { // an older server reports whole milliseconds only
				ms, _ = x.DurationMS.Float64()
			}
			status := x.Status
			if x.FailureReason == string(runtime.ClassCancelled) {
				status = "CANCELLED"
			}
			if people {
				return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", ui.Timestamp(x.Start, true), status, ui.DurationText(milliseconds(ms)),
					x.FailureReason, x.ResourceVersion, x.ExecutionID, x.TraceID, x.CallerRID)
			}
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", ui.Timestamp(x.Start, false), status, strconv.FormatFloat(ms, 'f', -1, 64),
				x.FailureReason, x.ResourceVersion, x.CallerRID, x.TraceID, x.ExecutionID)
		},
	}
}

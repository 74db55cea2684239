package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// leastInterval is the shortest time in seconds between two tables.
const leastInterval = 0.2

// load is what `fas top` shows. Its JSON form is a promise of --json.
type load struct {
	Seconds   float64        `json:"seconds"` // that runs are counted for
	Functions []functionLoad `json:"functions"`
	Others    int            `json:"other_functions"`
	Queued    int            `json:"queued"`
	OldestMS  int64          `json:"oldest_ms"`
	Running   int            `json:"running"`
	Memory    int64          `json:"memory_used"`
	Limit     int64          `json:"memory_limit"`
}

// functionLoad has the runs of a function: those that have ended, and those that have not.
type functionLoad struct {
	Name      string  `json:"name"`
	PerSecond float64 `json:"runs_per_second"`
	Running   int     `json:"running"`
	Queued    int     `json:"queued"`
	Paused    bool    `json:"paused"`
	client.RunStats
}

func newTop(a *app) *cobra.Command {
	var asJSON, once bool
	sort := sorting[functionLoad]{orders: loadOrders}
	interval, back := ui.Seconds(2), ui.Span(time.Minute)
	cmd := &cobra.Command{
		Use:     "top [--since DURATION] [--sort FIELD] [--interval SECONDS] [--once] [--json]",
		GroupID: groupFunctions,
		Short:   "Watch which functions run, how fast, and how they end",
		Long: `Show the functions with runs that have ended lately, or have not ended, those with most
ended runs first: runs per second, runs in progress, in the queue and ended, failures,
and the durations of the runs. Above them are the runs in progress and in the queue, and
the memory of the runs, of all functions.

On a terminal the table is drawn again every --interval, until Ctrl-C. Elsewhere, and
with --once, it is printed once: a line of tab-separated fields for each function,
without a heading: runs_per_second, running, queued, count, failed, p50_ms, p99_ms,
name.

The server counts by minutes, so that the time is up to a minute longer than --since, and
by longer steps beyond 2 hours. It counts the 100 functions with most runs.

With --json the output is an object with the fields

  seconds (that are counted), functions: name, runs_per_second, running, queued, paused, count
  (ended), success, failed (includes timed_out), timed_out, cancelled, p50_ms, p90_ms, p99_ms, max_ms, mean_ms
  (null: none has started); other_functions (that are not listed), queued, oldest_ms (age
  of the oldest run in the queue), running, memory_used, memory_limit (bytes)`,
		Example: `  fas top
  fas top --since 24h --sort p99 --once`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			compare, err := sort.comparison()
			switch {
			case err != nil:
				return err
			case interval < leastInterval:
				return clierror.Usagef("give at least 0.2", "the --interval %g is too short", float64(interval))
			case time.Duration(back) < time.Second || time.Duration(back) > client.MaxStats:
				return clierror.Usagef("give a duration from 1s to 8d", "the --since %s is out of bounds", back.String())
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			get := func(ctx context.Context) (load, error) { return readLoad(ctx, c, time.Duration(back), compare) }
			if screen := a.Redraw(); screen != nil && !once && !asJSON {
				return untilInterrupted(watchLoad(cmd.Context(), screen, time.Duration(float64(interval)*float64(time.Second)), get))
			}
			l, err := get(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(l)
			}
			return writeLoad(a.Out, l, ui.IsTerminal(a.Out))
		},
	}
	cmd.Flags().Var(&back, "since", "count runs that ended within `DURATION` before now, at most 8d")
	sort.add(cmd, "runs")
	cmd.Flags().Var(&interval, "interval", "draw again every `SECONDS`")
	cmd.Flags().BoolVar(&once, "once", false, "print the table once")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// readLoad gets the present load.
func readLoad(ctx context.Context, c *client.Client, back time.Duration, compare func(a, b functionLoad) int) (load, error) {
	s, err := c.Stats(ctx, back, "")
	if err != nil {
		return load{}, err
	}
	span, err := c.StatsSpan(s)
	if err != nil {
		return load{}, err
	}
	l := load{
		Seconds: span.Seconds(), Functions: []functionLoad{}, Others: s.OtherFunctions,
		Queued: s.Queue.Queued, OldestMS: s.Queue.OldestMS, Running: s.Queue.Running, Memory: s.Memory.Used, Limit: s.Memory.Limit,
	}
	for _, f := range s.Functions {
		one := functionLoad{Name: f.Function, Running: f.Running, Queued: f.Queued, Paused: f.Paused, RunStats: f.RunStats}
		if l.Seconds > 0 {
			one.PerSecond = float64(f.Count) / l.Seconds
		}
		l.Functions = append(l.Functions, one)
	}
	slices.SortStableFunc(l.Functions, compare)
	return l, nil
}

// watchLoad draws the load again and again until ctx ends.
func watchLoad(ctx context.Context, screen *ui.Redraw, every time.Duration, get func(context.Context) (load, error)) error {
	defer screen.End()
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		l, err := get(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		var text strings.Builder
		if err := writeLoad(&text, l, true); err != nil {
			return err
		}
		screen.Show(strings.TrimSuffix(text.String(), "\n"))
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// writeLoad prints the load.
func writeLoad(out io.Writer, l load, people bool) error {
	if people {
		oldest := ""
		if l.OldestMS > 0 {
			oldest = fmt.Sprintf(", the oldest for %s", ui.DurationText(time.Duration(l.OldestMS)*time.Millisecond))
		}
		_, err := fmt.Fprintf(out, "%d running, %d queued%s, memory %d of %d MB; runs of the last %s\n\n", l.Running, l.Queued, oldest,
			l.Memory/runtime.MiB, l.Limit/runtime.MiB, ui.SecondsText(time.Duration(l.Seconds*float64(time.Second))))
		if err != nil {
			return err
		}
	}
	// The name is last: it has any length, and a line is cut at the edge of the terminal.
	table := &ui.Table[functionLoad]{
		Out: out, ForPeople: people, Heading: "RUNS/S\tRUNNING\tQUEUED\tRUNS\tFAILED\tP50\tP99\tFUNCTION", Elastic: "FUNCTION",
		Row: func(f functionLoad, people bool) string {
			if people {
				return fmt.Sprintf("%.1f\t%d\t%d\t%d\t%d\t%s\t%s\t%s", f.PerSecond, f.Running, f.Queued, f.Count, f.Failed, msText(f.P50), msText(f.P99), withPaused(ui.OneLine(f.Name), f.Paused))
			}
			return fmt.Sprintf("%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s", strconv.FormatFloat(f.PerSecond, 'f', 3, 64), f.Running, f.Queued, f.Count, f.Failed, number(f.P50), number(f.P99), f.Name)
		},
	}
	if err := table.Write(l.Functions); err != nil {
		return err
	}
	if people && l.Others > 0 {
		_, err := fmt.Fprintf(out, "and %d more\n", l.Others)
		return err
	}
	return nil
}

// ms returns a number of milliseconds; 0 if there is none.
func ms(n *json.Number) float64 {
	if n == nil {
		return 0
	}
	value, _ := n.Float64()
	return value
}

// msText renders a number of milliseconds for people.
func msText(n *json.Number) string {
	if n == nil {
		return "-"
	}
	return ui.DurationText(milliseconds(ms(n)))
}

// number renders a number for programs; empty if there is none.
func number(n *json.Number) string {
	if n == nil {
		return ""
	}
	return ui.OneLine(n.String())
}

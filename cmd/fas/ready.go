package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime"
)

// readyEvery is the pause between two attempts of `fas ready`.
const readyEvery = time.Second

func newReady(a *app) *cobra.Command {
	attempts := 1
	var asJSON bool
	cmd := &cobra.Command{
		Use:        "ready [--attempts N] [--json]",
		GroupID:    groupServer,
		SuggestFor: []string{"doctor", "health", "ping", "check"},
		Short:      "Check that the server accepts this token and requests, for scripts",
		Long: `Check that the server can be reached, accepts the token and is ready for requests. The
exit status is 0 if so, 3 if the token is not valid, and 5 if the server cannot be
reached or is not ready.

With --attempts N the command tries up to N times, once a second, until the server is
ready.

With --json the output is an object with the fields

  url, ready, version`,
		Example: `  fas ready --attempts 60 && fas functions apply hello --file hello.py`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if attempts < 1 {
				return clierror.Usagef("give a number from 1 on", "the --attempts %d is not positive", attempts)
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			h, err := awaitReady(cmd.Context(), c, attempts)
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(struct {
					URL     string `json:"url"`
					Ready   bool   `json:"ready"`
					Version string `json:"version"`
				}{c.URL(), true, h.Version})
			}
			_, err = fmt.Fprintf(a.Out, "server %s: ready\n", c.URL())
			return err
		},
	}
	cmd.Flags().IntVar(&attempts, "attempts", 1, "try up to `N` times, once a second")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// awaitReady returns the state of the server once it is ready and accepts the token.
func awaitReady(ctx context.Context, c *client.Client, attempts int) (client.Health, error) {
	for {
		h, err := c.Health(ctx)
		if err == nil {
			return h, c.CheckToken(ctx)
		}
		if attempts--; attempts == 0 {
			return h, notReady(err)
		}
		select {
		case <-time.After(readyEvery):
		case <-ctx.Done():
			return h, context.Cause(ctx)
		}
	}
}

// notReady returns the error of a server that is not ready, whatever answers at its address.
func notReady(err error) error {
	if coded, ok := errors.AsType[*runtime.Error](err); ok && coded.Code == runtime.CodeUnavailable {
		return err
	}
	return runtime.Errorf(runtime.CodeUnavailable, "the server is not ready: %s", clierror.Message(err))
}

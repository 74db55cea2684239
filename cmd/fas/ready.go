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
		SuggestFor: []string{"health", "ping"},
		Short:      "Check that the server accepts this token and requests, for scripts",
		Long: `Check that the server can be reached, accepts the token and is ready for requests. The
exit status is 0 if so, 3 if the token is not valid, and 5 if the server cannot be
reached or is not ready.

With --attempts N the command tries up to N times, once a second, until the server is
ready. It also waits for the profile with the token, which a server writes at its
first start.

With --json the output is an object with the fields

  url, ready, version`,
		Example: `  fas ready --attempts 60 && fas functions apply hello --file hello.py`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if attempts < 1 {
				return clierror.Usagef("give a number from 1 on", "the --attempts %d is not positive", attempts)
			}
			url, h, err := a.awaitReady(cmd.Context(), attempts)
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(struct {
					URL     string `json:"url"`
					Ready   bool   `json:"ready"`
					Version string `json:"version"`
				}{url, true, h.Version})
			}
			_, err = fmt.Fprintf(a.Out, "server %s: ready\n", url)
			return err
		},
	}
	cmd.Flags().IntVar(&attempts, "attempts", 1, "try up to `N` times, once a second")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// awaitReady returns the URL and the state of the server once it is ready and accepts the token.
func (a *app) awaitReady(ctx context.Context, attempts int) (url string, h client.Health, err error) {
	for {
		var final bool
		if url, h, final, err = a.checkReady(ctx); err == nil || final {
			return url, h, err
		}
		if attempts--; attempts == 0 {
			return url, h, err
		}
		select {
		case <-time.After(readyEvery):
		case <-ctx.Done():
			return url, h, context.Cause(ctx)
		}
	}
}

// checkReady makes one attempt. It reads the profile file each time, because the first start of a
// server writes it. final reports whether a further attempt cannot succeed.
func (a *app) checkReady(ctx context.Context) (url string, h client.Health, final bool, err error) {
	s, err := a.target()
	if err == nil {
		_, err = s.requireToken()
	}
	if err != nil {
		code := runtime.CodeOf(err)
		return "", h, code != runtime.CodeUnauthenticated && code != runtime.CodeNotFound, err
	}
	c, err := a.clientOf(s)
	if err != nil {
		return "", h, true, err
	}
	defer c.Close()
	if h, err = c.Health(ctx); err != nil {
		return c.URL(), h, false, notReady(err)
	}
	return c.URL(), h, true, c.CheckToken(ctx)
}

// notReady returns the error of a server that is not ready, whatever answers at its address.
func notReady(err error) error {
	if coded, ok := errors.AsType[*runtime.Error](err); ok && coded.Code == runtime.CodeUnavailable {
		return err
	}
	return runtime.Errorf(runtime.CodeUnavailable, "the server is not ready: %s", clierror.Message(err))
}

package main

import (
	"context"
	"fmt"
	goruntime "runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
)

// release is the version of a released binary, set by its build:
//
//	go build -ldflags "-X main.release=v1.2.3"
var release string

// version returns the version of this binary: that of its release, else the one that the Go
// toolchain has recorded for the source.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// versions is the output of `fas version --json`. The names and meanings of its fields are a
// promise.
type versions struct {
	Version  string        `json:"version"`
	Go       string        `json:"go"`
	Platform string        `json:"platform"`
	Server   serverVersion `json:"server"`
}

type serverVersion struct {
	URL       string `json:"url"`
	Reachable bool   `json:"reachable"`
	Ready     bool   `json:"ready"`
	Version   string `json:"version,omitempty"` // empty if the server does not report it
	Problem   string `json:"problem,omitempty"`
}

// versionTimeout is the longest time to wait for the answer of the server.
const versionTimeout = 3 * time.Second

func newVersion(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version [--json]",
		GroupID: groupServer,
		Short:   "Show the versions of this program and of the server",
		Long: `Show the version of this program, and whether the server of the profile can be
reached.

With --json the output is an object with the fields

  version, go, platform
  server: url, reachable, ready, version, problem`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versions{
				Version:  version(),
				Go:       goruntime.Version(),
				Platform: goruntime.GOOS + "/" + goruntime.GOARCH,
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), versionTimeout)
			defer cancel()
			if err := a.askServer(ctx, &v.Server); err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(v)
			}
			fmt.Fprintf(a.Out, "fas %s (%s, %s)\n", v.Version, v.Go, v.Platform)
			state := "ready"
			switch {
			case !v.Server.Reachable:
				state = "not reachable"
			case !v.Server.Ready:
				state = "not ready"
			}
			if v.Server.Version != "" {
				state = v.Server.Version + ", " + state
			}
			_, err := fmt.Fprintf(a.Out, "server %s: %s\n", v.Server.URL, state)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// askServer reads the state of the server. A server that cannot be reached is not an error.
func (a *app) askServer(ctx context.Context, v *serverVersion) error {
	s, err := a.target()
	if err != nil {
		return err
	}
	c, err := a.client(s)
	if err != nil {
		return err
	}
	defer c.Close()
	v.URL = c.URL()
	h, err := c.Health(ctx)
	v.Reachable, v.Ready, v.Version = h.Reachable, h.Ready, h.Version
	if err != nil {
		v.Problem = clierror.Message(err)
	}
	return nil
}

package main

import (
	"errors"
	"io"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/agent"
)

func newMCP(a *app) *cobra.Command {
	var readOnly bool
	cmd := &cobra.Command{
		Use:     "mcp [--read-only]",
		GroupID: groupServer,
		Short:   "Let a language model deploy, run and look up functions",
		Long: `Serve tools over the Model Context Protocol on the standard input and output, for
programs in which a language model works, such as an editor. The tools list, deploy,
run and delete functions, read logs and errors, search executions, and start jobs.

They do what the token of the profile permits, and nothing else: give a model a token
of its own, with the scope that it needs (see "fas tokens create --help"). With
--read-only there are no tools that change something or run code, whatever the token
permits.

The command ends when its standard input does. It prints no secrets, and the values
of a context are never returned.`,
		Example: `  claude mcp add faaspot -- fas mcp
  FAASPOT_TOKEN=... fas mcp --read-only`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			server := agent.NewServer(c, agent.Options{Version: version(), ReadOnly: readOnly})
			err = server.Run(cmd.Context(), &mcp.IOTransport{Reader: io.NopCloser(a.In), Writer: unclosed{a.Out}})
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&readOnly, "read-only", false, "offer no tool that changes something or runs code")
	return cmd
}

// unclosed is a writer that stays open.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

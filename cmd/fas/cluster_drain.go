package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/server"
)

// usualHandOverGrace is what runs get to end when the owner hands over.
const usualHandOverGrace = 300 * time.Millisecond

func newClusterDrain(a *app) *cobra.Command {
	var cluster clusterFlags
	var to string
	grace := usualHandOverGrace
	var undo, asJSON bool
	cmd := &cobra.Command{
		Use:   "drain NODE [--to NODE] [--grace DURATION] [--undo] [--json]",
		Short: "Let a node hand over its work to another one",
		Long: `Let a node hand over to another one, --to or the one that has most of the log, and return when
that one answers requests. Until the node is started again, or --undo, it does not become
the owner while another node can. It still leads its clients to the owner.

The owner takes no new requests while it hands over: clients get 503 with Retry-After.
Runs that have not ended after --grace are stopped: those in the background start again on
the new owner, and this is not one of their attempts.

` + clusterHelp + `

With --json the output is an object with the fields

  node, drained, owner (of the data now), seconds (until the new owner answered requests;
  absent: the node was not the owner)`,
		Example: `  fas cluster drain n1
  fas cluster drain n1 --to n2 --grace 30s
  fas cluster drain n1 --undo`,
		Args: arguments("NODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := exclusive(cmd, "undo", "to"); err != nil {
				return err
			}
			if grace < 0 {
				return clierror.Usagef("give a duration, such as 10s", "the --grace %v is negative", grace)
			}
			o, err := cluster.given(a, cmd)
			if err != nil {
				return err
			}
			h, err := server.Drain(cmd.Context(), o, args[0], to, grace, undo)
			switch {
			case err != nil:
				return err
			case asJSON:
				return a.WriteJSON(h)
			case undo:
				_, err = fmt.Fprintf(a.Out, "%s can become the owner again\n", h.Node)
			case h.Seconds > 0:
				_, err = fmt.Fprintf(a.Out, "%s has handed over to %s in %.2f s\n", h.Node, h.Owner, h.Seconds)
			default:
				_, err = fmt.Fprintf(a.Out, "%s does not become the owner any more\n", h.Node)
			}
			return err
		},
	}
	cluster.flags(cmd)
	cmd.Flags().StringVar(&to, "to", "", "`NODE` that becomes the owner (default the one that has most of the log)")
	cmd.Flags().DurationVar(&grace, "grace", usualHandOverGrace, "`DURATION` that started runs get to finish, at most the --grace of the node")
	cmd.Flags().BoolVar(&undo, "undo", false, "let the node become the owner again")
	jsonFlag(cmd, &asJSON)
	return cmd
}

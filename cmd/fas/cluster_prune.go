package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/server"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newClusterPrune(a *app) *cobra.Command {
	var cluster clusterFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "prune [--json]",
		Short: "Remove the logs of earlier generations",
		Long: `Remove the logs of earlier generations, which "fas cluster heal" has left. Each takes the space
on its servers that is reserved for it, 4 GiB by default; "fas cluster status" shows them.

Nodes must use the latest generation, one of them as the owner, and none may use another one;
else the command changes nothing. It can be repeated. It also removes a log whose servers do
not answer, of which it does not know the size. A node that is started later with the data
of an earlier generation gets a copy of another node's.

` + clusterHelp + `

With --json the output is an array of objects with the fields

  generation, bytes, max_bytes (that its servers have reserved; 0: they did not answer)`,
		Example: `  fas cluster prune --cluster nats://10.0.0.1:4222 --cluster-name prod \
    --cluster-key-file /etc/faaspot/cluster.key`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := cluster.given(a, cmd)
			if err != nil {
				return err
			}
			removed, err := server.RemoveFormerLogs(cmd.Context(), o)
			if err != nil && len(removed) == 0 {
				return err
			}
			if asJSON {
				if failed := a.WriteJSON(removed); failed != nil {
					return failed
				}
				return err
			}
			for _, one := range removed {
				if _, err := fmt.Fprintf(a.Out, "removed generation %d, %s\n", one.Generation, formerSize(one)); err != nil {
					return err
				}
			}
			if len(removed) == 0 {
				_, err = fmt.Fprintln(a.Out, "there are no logs of earlier generations")
			}
			return err
		},
	}
	cluster.flags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// formerSize returns what the log of an earlier generation takes, in words.
func formerSize(f server.FormerLog) string {
	if f.MaxBytes == 0 {
		return "whose servers do not answer"
	}
	return ui.AboutSize(f.Bytes) + " of " + ui.AboutSize(f.MaxBytes)
}

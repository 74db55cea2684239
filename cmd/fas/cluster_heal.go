package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/server"
)

func newClusterHeal(a *app) *cobra.Command {
	var cluster clusterFlags
	var data dataFlags
	var show, lose, asJSON bool
	cmd := &cobra.Command{
		Use:   "heal --data FOLDER [--secrets-file FILE] [--show] [--lose-records] [--json]",
		Short: "Begin a new log from the data of a node, when the log is damaged or lost",
		Long: `Begin the next generation of the log from the data folder of a node, when the log is damaged,
or the majority of its disks is lost. What the node has not applied is lost, so use the node
that has most: --show prints how much a node has, and changes nothing. The folder with the
highest generation and the highest sequence has most.

Stop all nodes first. Start the node of the folder next, and then the others: they replace
their data by a copy. A node that has more than the folder does not start, and keeps its data.
The log before stays where it is, and takes no records any more: "fas cluster prune" removes it.

If the log has records that the folder lacks, or the folder is of an earlier generation, or the
log before does not answer, the command changes nothing. With --lose-records it goes on.

The command can be repeated. When it fails, the folder is as before.

` + clusterHelp + ` With --show it needs none of them.

With --json the output is an object with the fields

  name, generation, data, after (sequence behind which the log begins); with --show:
  data, generation, epoch, applied (sequence of the last record)`,
		Example: `  fas cluster heal --data /var/lib/faaspot --show
  fas cluster heal --cluster nats://10.0.0.1:4222 --cluster-name prod --data /var/lib/faaspot`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if data.Data == "" {
				return clierror.Usagef("name the folder with --data", "the data folder is missing")
			}
			if !show {
				return a.found(cmd, &cluster, &data, true, lose, asJSON)
			}
			o, err := data.given(a)
			if err != nil {
				return err
			}
			p, err := server.PlaceOfNode(o)
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(p)
			}
			_, err = fmt.Fprintf(a.Out, "generation %d, epoch %d, up to record %d\n", p.Generation, p.Epoch, p.Applied)
			return err
		},
	}
	cluster.flags(cmd)
	data.flags(cmd, "data `FOLDER` of a node, which does not run")
	cmd.Flags().BoolVar(&show, "show", false, "print how much of the log the folder has, and change nothing")
	cmd.Flags().BoolVar(&lose, "lose-records", false, "go on although records are lost, or the log before cannot be closed")
	jsonFlag(cmd, &asJSON)
	return cmd
}

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
	var show, asJSON bool
	cmd := &cobra.Command{
		Use:   "heal --data FOLDER [--secrets-file FILE] [--show] [--json]",
		Short: "Begin a new log from the data of a node, when the log is damaged or lost",
		Long: `Begin the next generation of the log from the data folder of a node, when the log is damaged,
or the majority of its disks is lost. What the node has not applied is lost, so use the node
that has most: --show prints how much a node has, and changes nothing. The folder with the
highest generation and the highest sequence has most.

Stop all nodes first. Start the node of the folder next, and then the others: they replace
their data by a copy. The log before stays where it is.

The command can be repeated when it was interrupted.

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
				return a.found(cmd, &cluster, &data, true, asJSON)
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
	jsonFlag(cmd, &asJSON)
	return cmd
}

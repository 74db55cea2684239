package main

import (
	"github.com/spf13/cobra"
)

func newClusterInit(a *app) *cobra.Command {
	var cluster clusterFlags
	var data dataFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "init [--import FOLDER [--secrets-file FILE]] [--json]",
		Short: "Make the log of a new cluster, from the data of a server or empty",
		Long: `Make the log of a new cluster. With --import, the data folder of a server alone becomes that
of the first node: start "fas serve --cluster" with it next, and then the other nodes, which
get a copy. All functions, jobs, executions and tokens stay, with their ids. No server may
use the folder, and no server alone can use it any more; "fas admin restore --alone" makes
a backup of the cluster the data of a server alone.

Without --import the log is empty, as "fas serve --cluster-create" makes it.

The command can be repeated. When it fails, the folder is as before.

` + clusterHelp + `

With --json the output is an object with the fields

  name, generation, data (folder of the first node), after (sequence behind which the log
  begins)`,
		Example: `  fas cluster init --cluster nats://10.0.0.1:4222 --cluster-name prod \
    --cluster-key-file /etc/faaspot/cluster.key --import /var/lib/faaspot`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.found(cmd, &cluster, &data, false, false, asJSON)
		},
	}
	cluster.flags(cmd)
	data.flags(cmd, "")
	cmd.Flags().StringVar(&data.Data, "import", "", "data `FOLDER` of a server alone, which becomes that of the first node (default none)")
	_ = cmd.MarkFlagDirname("import")
	jsonFlag(cmd, &asJSON)
	return cmd
}

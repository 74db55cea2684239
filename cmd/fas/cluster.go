package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/server"
)

func newCluster(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "cluster",
		GroupID: groupServer,
		Short:   "Create, watch and maintain a cluster of servers",
		Args:    cobra.ArbitraryArgs,
		RunE:    group,
	}
	cmd.AddCommand(newClusterInit(a), newClusterStatus(a), newClusterDrain(a), newClusterHeal(a), newClusterPrune(a), newClusterDemo(a))
	return cmd
}

// clusterHelp says which flags and variables name a cluster to its commands.
const clusterHelp = `The command needs what the nodes have: --cluster, --cluster-name and --cluster-key-file, or
the variables FAASPOT_CLUSTER, FAASPOT_CLUSTER_NAME and FAASPOT_CLUSTER_KEY_FILE. It needs
no token: the key of the cluster gives access to everything.`

// clusterEnv maps flags of the commands of a cluster to their environment variables.
var clusterEnv = map[string]string{
	"cluster": serveEnv["cluster"], "cluster-name": serveEnv["cluster-name"], "cluster-key-file": serveEnv["cluster-key-file"],
}

// clusterFlags are the flags of commands for a cluster.
type clusterFlags struct{ server.ClusterOptions }

func (f *clusterFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.Servers, "cluster", nil, "`URL` of a server of the log of the cluster, such as nats://10.0.0.1:4222")
	cmd.Flags().StringVar(&f.Name, "cluster-name", "", "`NAME` of the cluster")
	cmd.Flags().StringVar(&f.KeyFile, "cluster-key-file", "", "`FILE` with the key of the cluster (default none)")
	_ = cmd.MarkFlagFilename("cluster-key-file")
}

// given returns which cluster the command is for.
func (f *clusterFlags) given(a *app, cmd *cobra.Command) (server.ClusterOptions, error) {
	if err := flagsFromEnv(cmd.Flags(), clusterEnv, a.env); err != nil {
		return f.ClusterOptions, err
	}
	return f.ClusterOptions, f.Check()
}

// found makes the log of a cluster, or the next generation of it.
func (a *app) found(cmd *cobra.Command, f *clusterFlags, data *dataFlags, heal, lose, asJSON bool) error {
	o, err := f.given(a, cmd)
	if err != nil {
		return err
	}
	files := data.Secrets
	if files.Data != "" {
		if files, err = data.given(a); err != nil {
			return err
		}
	}
	result, err := server.FoundCluster(cmd.Context(), o, files, heal, lose)
	if err != nil {
		return err
	}
	if asJSON {
		return a.WriteJSON(result)
	}
	next := "start a node with a new data folder"
	if result.Data != "" {
		next = "start the node of " + result.Data + " first"
	}
	_, err = fmt.Fprintf(a.Out, "made generation %d of the log of %s: %s\n", result.Generation, result.Name, next)
	return err
}

package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/server"
)

func newClusterDemo(a *app) *cobra.Command {
	var keep, asJSON bool
	cmd := &cobra.Command{
		Use:   "demo [--keep] [--json]",
		Short: "Run a cluster on this machine, and kill the node that owns the data",
		Long: `Start three servers of a log and three nodes on this machine, at free ports and in a temporary
folder; run a function some thousand times; kill the node that owns the data meanwhile; and
compare what was accepted with what has ended. Everything is stopped and removed at the end.

With --keep the cluster stays, with two of its three nodes, until Ctrl-C: the command prints
how to use it.

With --json the output is an object with the fields

  runs (that were accepted), ended, wrong (results that are not right), killed (node),
  takeover (seconds until requests were answered again)`,
		Example: `  fas cluster demo`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			dir, err := os.MkdirTemp("", "faaspot-demo-*")
			if err != nil {
				return err
			}
			defer func() {
				if err == nil || cmd.Context().Err() != nil || len(logsIn(dir)) == 0 { // else the logs stay
					err = errors.Join(err, os.RemoveAll(dir))
				}
			}()
			data, err := dataFolder(a, "")
			if err != nil {
				return err
			}
			program, err := os.Executable()
			if err != nil {
				return err
			}
			out := a.Out
			if asJSON {
				out = a.Err
			}
			say := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
			say("starting three servers of a log and three nodes in %s", dir)
			d, err := server.StartClusterDemo(cmd.Context(), server.ClusterDemoOptions{
				Dir: dir, Cache: filepath.Join(data, "cache"), Program: program, Environ: a.env, Version: version(), Say: say, Trace: a.trace(),
			})
			if err != nil {
				return err
			}
			result, err := d.Show(cmd.Context())
			if err == nil && asJSON {
				err = a.WriteJSON(result)
			}
			if err == nil && keep {
				delete(d.URLs, result.Killed)
				a.describeDemo(d)
				<-cmd.Context().Done()
			}
			d.Stop()
			return err
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the cluster running until Ctrl-C")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// describeDemo says how to use a cluster that was left running.
func (a *app) describeDemo(d *server.ClusterDemo) {
	fmt.Fprintf(a.Err, "\nthe nodes listen at:\n")
	names := slices.Sorted(maps.Keys(d.URLs))
	for _, name := range names {
		fmt.Fprintf(a.Err, "  %s  %s\n", name, d.URLs[name])
	}
	fmt.Fprintf(a.Err, `
export FAASPOT_URL=%s FAASPOT_TOKEN=%s
export FAASPOT_CLUSTER=%s FAASPOT_CLUSTER_NAME=%s FAASPOT_CLUSTER_KEY_FILE=%s
fas cluster status

Ctrl-C stops everything.
`, d.URLs[names[0]], d.Token, strings.Join(d.Cluster.Servers, ","), d.Cluster.Name, d.Cluster.KeyFile)
}

// logsIn returns the logs of the processes in a folder.
func logsIn(dir string) []string {
	logs, _ := filepath.Glob(filepath.Join(dir, "*.log")) // the pattern is right
	return logs
}

package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/server"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/cluster"
)

func newClusterStatus(a *app) *cobra.Command {
	var cluster clusterFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [--json]",
		Short: "Show the nodes of a cluster, and the servers of its log",
		Long: `Show the nodes of a cluster and the servers of its log, as they answer now. It works also when no
node owns the data, and when the log has no majority. The exit status is 1 if something is
wrong with the cluster, which the standard error says.

` + clusterHelp + `

On a terminal the output is tables; elsewhere each line has tab-separated fields: "node",
name, role, state, lag, address, version; or "server", name, role, state, lag; or "log",
generation, first, last, bytes, max_bytes; or "former", generation, bytes, max_bytes: the log of
an earlier generation, which "fas cluster prune" removes (max_bytes 0: its servers do not answer);
or "secrets", key, state: the newest key of the owner, which is current when it has encrypted
all secrets, waiting while not all nodes have it, and else encrypting. Roles of nodes are owner, follower, copies (it
gets a copy of the data) and starts; roles of servers are leader and replica. The lag is the
number of records of the log that are missing.

With --json it is an object with the fields

  name, nodes (node, role, ready, drained, answers, applied, lag, address, version,
  secrets_key: the name of the newest key of secrets that it has, keyless: keys of
  secrets that are used are missing),
  servers (name, running, leader, current, lag), log (null: it does not answer; generation,
  first, last, bytes, max_bytes), former (generation, bytes, max_bytes),
  secrets (key, state; null: no owner says it), problem (absent: none)`,
		Example: `  fas cluster status --cluster nats://10.0.0.1:4222 --cluster-name prod \
    --cluster-key-file /etc/faaspot/cluster.key`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := cluster.given(a, cmd)
			if err != nil {
				return err
			}
			s, err := server.LookAtCluster(cmd.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				err = a.WriteJSON(s)
			} else {
				err = a.writeCluster(s)
			}
			if err == nil && s.Problem != "" {
				return runtime.Errorf(clierror.CodeUnsuccessful, "%s", ui.OneLine(s.Problem))
			}
			return err
		},
	}
	cluster.flags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// writeCluster prints the state of a cluster.
func (a *app) writeCluster(s server.ClusterState) error {
	people := ui.IsTerminal(a.Out)
	// line returns a row, which for programs begins with its kind.
	line := func(kind string, cells ...string) string {
		for i, cell := range cells {
			cells[i] = ui.OneLine(cell)
		}
		if !people {
			cells = append([]string{kind}, cells...)
		}
		return strings.Join(cells, "\t")
	}
	nodes := ui.Table[server.ClusterNode]{
		Out: a.Out, ForPeople: people, Heading: "NODE\tROLE\tSTATE\tLAG\tADDRESS\tVERSION",
		Row: func(n server.ClusterNode, _ bool) string {
			return line("node", n.Node, n.Role, nodeState(n), strconv.FormatUint(n.Lag, 10), n.Address, n.Version)
		},
	}
	if err := nodes.Write(s.Nodes); err != nil {
		return err
	}
	if people && len(s.Nodes) > 0 {
		fmt.Fprintln(a.Out)
	}
	servers := ui.Table[server.ClusterServer]{
		Out: a.Out, ForPeople: people, Heading: "SERVER\tROLE\tSTATE\tLAG",
		Row: func(n server.ClusterServer, _ bool) string {
			role := "replica"
			if n.Leader {
				role = "leader"
			}
			return line("server", n.Name, role, serverState(n), strconv.FormatUint(n.Lag, 10))
		},
	}
	if err := servers.Write(s.Servers); err != nil || s.Log == nil {
		return err
	}
	l := s.Log
	if !people {
		_, err := fmt.Fprintf(a.Out, "log\t%d\t%d\t%d\t%d\t%d\n", l.Generation, l.First, l.Last, l.Bytes, l.MaxBytes)
		for _, f := range s.Former {
			if err == nil {
				_, err = fmt.Fprintf(a.Out, "former\t%d\t%d\t%d\n", f.Generation, f.Bytes, f.MaxBytes)
			}
		}
		if err == nil && s.Secrets != nil {
			_, err = fmt.Fprintln(a.Out, line("secrets", s.Secrets.Key, s.Secrets.State))
		}
		return err
	}
	_, err := fmt.Fprintf(a.Out, "\nlog: generation %d, records %d to %d, %s of %s (%.0f%%)\n", l.Generation, l.First, l.Last, ui.AboutSize(l.Bytes), ui.AboutSize(l.MaxBytes), 100*l.Filled())
	for _, f := range s.Former {
		if err == nil {
			_, err = fmt.Fprintf(a.Out, "former log: generation %d, %s; remove it with `fas cluster prune`\n", f.Generation, formerSize(f))
		}
	}
	if err == nil && s.Secrets != nil {
		_, err = fmt.Fprintf(a.Out, "secrets: %s\n", secretsState(*s.Secrets))
	}
	return err
}

// secretsState returns the state of the secrets in words.
func secretsState(s server.ClusterSecrets) string {
	key := "the key " + ui.OneLine(s.Key)
	switch s.State {
	case cluster.SecretsCurrent:
		return key + " has encrypted all"
	case cluster.SecretsWaiting:
		return key + " is not used yet: not all nodes have it"
	}
	return key + " is used, and others have encrypted some"
}

// nodeState returns the state of a node in words.
func nodeState(n server.ClusterNode) string {
	switch {
	case !n.Answers:
		return "silent"
	case !n.Ready:
		return "not ready"
	case n.Keyless:
		return "keyless"
	case n.Drained:
		return "drained"
	}
	return "ready"
}

// serverState returns the state of a server of the log in words.
func serverState(s server.ClusterServer) string {
	switch {
	case !s.Running:
		return "down"
	case !s.Current:
		return "behind"
	}
	return "ready"
}

package main

import (
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/server"
)

// engineEnv maps flags of `fas engine` to their environment variables. A flag overrides its variable.
var engineEnv = map[string]string{
	"name":             "FAASPOT_ENGINE_NAME",
	"peers":            "FAASPOT_ENGINE_PEERS",
	"listen":           "FAASPOT_ENGINE_LISTEN",
	"peer-listen":      "FAASPOT_ENGINE_PEER_LISTEN",
	"health-listen":    "FAASPOT_ENGINE_HEALTH_LISTEN",
	"data":             "FAASPOT_ENGINE_DATA",
	"max-store":        "FAASPOT_ENGINE_MAX_STORE",
	"cluster-key-file": "FAASPOT_CLUSTER_KEY_FILE",
	"grace":            "FAASPOT_ENGINE_GRACE",
	"log-level":        "FAASPOT_LOG_LEVEL",
	"log-format":       "FAASPOT_LOG_FORMAT",
}

func newEngine(a *app) *cobra.Command {
	o := server.EngineOptions{LogLevel: server.LogLevel(slog.LevelInfo), LogFormat: server.FormatAuto}
	cmd := &cobra.Command{
		Use:     "engine --name NAME --peers NAME=HOST:PORT,... --data FOLDER",
		GroupID: groupServer,
		Short:   "Run a server of the log of a cluster",
		Long: `Run a server of the replicated log under a cluster until Ctrl-C or SIGTERM: a NATS server
with JetStream, with the settings that the log needs. Each record is on the disks of two
of three servers before it is acknowledged.

Three servers on three machines survive the loss of any one of them, five of any two. Give
all of them the same --peers and the same key, and each its own --name. A server alone has
no copy: it is for tests.

With --cluster-key-file all connections are encrypted, and only processes with the same key
get one. Without a key all addresses must be loopback addresses. A key is any file with at
least 32 characters that its owner alone can read, such as from "openssl rand -hex 32".

With --health-listen, /healthz says whether the process works, and /readyz whether it is one
of a majority and has what the others have. A server that stops hands over what it leads
first, and gives its clients --grace to move.

The server uses no files but its data folder and a few of the system's, and executes no
programs, as far as the kernel allows; --unconfined keeps all rights, for debuggers.

All flags except --address-file and --unconfined can also be set by variables:
FAASPOT_ENGINE_NAME, FAASPOT_ENGINE_PEERS, FAASPOT_ENGINE_LISTEN,
FAASPOT_ENGINE_PEER_LISTEN, FAASPOT_ENGINE_HEALTH_LISTEN, FAASPOT_ENGINE_DATA,
FAASPOT_ENGINE_MAX_STORE, FAASPOT_CLUSTER_KEY_FILE, FAASPOT_ENGINE_GRACE,
FAASPOT_LOG_LEVEL, FAASPOT_LOG_FORMAT.`,
		Example: `  fas engine --name a --peers a=127.0.0.1:6222 --data engine
  fas engine --name a --listen 0.0.0.0:4222 --cluster-key-file key --data /var/lib/faaspot-engine \
    --peers a=10.0.0.1:6222,b=10.0.0.2:6222,c=10.0.0.3:6222`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := flagsFromEnv(cmd.Flags(), engineEnv, a.env); err != nil {
				return err
			}
			for flag, value := range map[string]string{"name": o.Name, "data": o.Data} {
				if value == "" {
					return clierror.Usagef("see `fas engine --help`", "--%s is missing", flag)
				}
			}
			if o.Data, err = filepath.Abs(o.Data); err != nil {
				return err
			}
			o.Terminal, o.Environ, o.Version = &a.Terminal, a.env, version()
			return server.RunEngine(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Name, "name", "", "`NAME` of this server, one of --peers")
	f.StringSliceVar(&o.Peers, "peers", nil, "all servers as `NAME=HOST:PORT`, at which the others reach them")
	f.StringVar(&o.Listen, "listen", server.DefaultEngineListen, "`ADDRESS` to listen at for nodes; port 0 is any free port")
	f.StringVar(&o.PeerListen, "peer-listen", "", "`ADDRESS` to listen at for the other servers (default the own address in --peers)")
	f.StringVar(&o.HealthListen, "health-listen", "", "`ADDRESS` to serve /healthz and /readyz at (default none)")
	f.StringVar(&o.Data, "data", "", "data `FOLDER`")
	f.Var(&o.MaxStore, "max-store", "`SIZE` of everything that is stored (default 3/4 of the free disk)")
	f.StringVar(&o.KeyFile, "cluster-key-file", "", "`FILE` with the key of the cluster (default none)")
	f.DurationVar(&o.Grace, "grace", server.DefaultEngineGrace, "`DURATION` that nodes get to move to another server when this one stops")
	f.Var(&o.LogLevel, "log-level", "lowest `LEVEL` to log: debug, info, warn or error")
	f.Var(&o.LogFormat, "log-format", "`FORMAT` of the log: text, json, or auto: text on a terminal, else JSON")
	f.StringVar(&o.AddressFile, "address-file", "", "`FILE` to write the address for nodes to once the server is ready")
	f.BoolVar(&o.Unconfined, "unconfined", false, "keep all rights of the process, to debug it")
	_ = cmd.MarkFlagDirname("data")
	for _, name := range []string{"address-file", "cluster-key-file"} {
		_ = cmd.MarkFlagFilename(name)
	}
	_ = cmd.RegisterFlagCompletionFunc("log-level", cobra.FixedCompletions(server.LevelNames, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions(server.FormatNames, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

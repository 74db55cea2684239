package main

import (
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/server"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

func newServe(a *app) *cobra.Command {
	o := server.Options{
		LogLevel:        server.LogLevel(slog.LevelInfo),
		LogFormat:       server.FormatAuto,
		RetentionAge:    ui.Span(engine.DefaultRetentionAge),
		RetentionMinAge: ui.Span(engine.DefaultRetentionMinAge),
		ImageDisk:       server.DefaultImageDisk,
		Ballast:         server.DefaultBallast,
		AuditAge:        ui.Span(runtime.DefaultAuditAge),
		OTLPSampleRatio: 1,
	}
	var hosts []string
	o.NodeListen = server.DefaultNodeListen
	var config string
	var check, schema, compileOnly bool
	var keepArgs bool
	cmd := &cobra.Command{
		Use:        "serve",
		GroupID:    groupServer,
		SuggestFor: []string{"server", "start", "daemon"},
		Short:      "Run the server",
		Long: `Run the server until Ctrl-C or SIGTERM. The server then refuses new requests, lets
started runs finish within --grace, and exits. A second Ctrl-C ends it at once.

At its first start the server generates an admin token, stores its SHA-256 with the
data, and writes the token to a profile in ~/.faaspot/fasconf.yaml, so that other
commands work at once. If FAASPOT_ADMIN_TOKEN is set, that is the admin token, and
nothing is written.

With --tls-cert and --tls-key requests are encrypted; files that change are read again.
With --acme-domain the server gets its certificates itself, from Let's Encrypt or another
authority that speaks ACME, whose terms you accept thereby: port 443 of the domain must
lead to --listen. Otherwise requests are not encrypted: to serve other machines, put a
proxy that speaks TLS in front.

--config names a TOML file with a line for each setting, such as memory_budget = "4GB":
its keys are the flags with _ in place of -. A flag overrides its variable, which
overrides the file. --check reports all mistakes with their lines, or prints the settings
in force and where they come from, and starts nothing. --schema prints the JSON Schema of
the file. SIGHUP reads log_level and access_log of the file again, and the certificate.

Before it runs functions, the server gives up the rights that it does not need, as far
as the kernel allows: it uses no files but its data folder and a few of the system's,
executes no programs, and writes no core dumps. --unconfined keeps all rights, for
debuggers and profilers.

With --workers N, functions run in N further processes, which have no files, no network
and no secrets but those of the functions that they run. If one crashes, its runs lose one
attempt, and the server starts it again.

With --cluster, the server is a node of a cluster: its data are a copy of a replicated log,
see docs/cluster.md. One node owns the data, and all others lead their clients to it; if it
is lost, another node becomes the owner.

--compile-only compiles the Python interpreter into --cache or the data folder, as the first
start of a release does, and ends: an image of a container then starts at once.

All flags except --check, --schema, --compile-only, --demo, --address-file, --cluster-create and
--reset-admin-token can also be set by variables: FAASPOT_SERVE_CONFIG, FAASPOT_LISTEN, FAASPOT_HEALTH_LISTEN,
FAASPOT_TLS_CERT, FAASPOT_TLS_KEY, FAASPOT_ACME_DOMAIN, FAASPOT_ACME_EMAIL,
FAASPOT_ACME_DIRECTORY, FAASPOT_DATA, FAASPOT_CACHE, FAASPOT_SECRETS_FILE,
FAASPOT_MEMORY_BUDGET, FAASPOT_IMAGE_DISK, FAASPOT_DISK_FLOOR, FAASPOT_BALLAST,
FAASPOT_AUDIT_AGE, FAASPOT_AUDIT_BYTES, FAASPOT_GRACE, FAASPOT_RETENTION_AGE,
FAASPOT_RETENTION_COUNT, FAASPOT_RETENTION_MIN_AGE, FAASPOT_RETENTION_BYTES,
FAASPOT_RETENTION_TENANT_BYTES, FAASPOT_RETENTION_FUNCTION_BYTES,
FAASPOT_KEEP_ARGS, FAASPOT_PUBLIC_URL, FAASPOT_EGRESS_ALLOW,
FAASPOT_EGRESS_CEILING, FAASPOT_EGRESS_PROXY, FAASPOT_WORKERS, FAASPOT_OWN_WORKERS, FAASPOT_TENANT_REQUESTS,
FAASPOT_TENANT_REQUEST_BURST, FAASPOT_TENANT_RUNS, FAASPOT_TENANT_QUEUED,
FAASPOT_TENANT_FUNCTIONS, FAASPOT_TENANT_CODE_BYTES, FAASPOT_TENANT_STORED_BYTES,
FAASPOT_TENANT_EGRESS_BYTES, FAASPOT_TENANT_EGRESS_HOSTS,
FAASPOT_TENANT_PROCESSOR_SHARE, FAASPOT_TENANT_MEMORY_BYTES,
FAASPOT_TENANT_IMAGE_BYTES, FAASPOT_CLUSTER, FAASPOT_CLUSTER_NAME, FAASPOT_NODE,
FAASPOT_NODE_LISTEN, FAASPOT_NODE_ADDRESS, FAASPOT_CLUSTER_KEY_FILE, FAASPOT_OTLP_ENDPOINT, FAASPOT_OTLP_SAMPLE_RATIO,
FAASPOT_LOG_LEVEL, FAASPOT_ACCESS_LOG, FAASPOT_LOG_FORMAT, FAASPOT_UNCONFINED.`,
		Example: `  fas serve
  fas serve --listen 0.0.0.0:8080 --data /var/lib/faaspot --log-format json
  fas serve --config /etc/faaspot/faasd.toml --check
  fas serve --demo`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if schema {
				text, err := settingsSchema(cmd.Flags())
				if err != nil {
					return err
				}
				_, err = a.Out.Write(text)
				return err
			}
			settings := readServeSettings(cmd.Flags(), newServe(&app{env: a.env}).Flags(), a.env)
			settings.errs.Add("data", a.serveOptions(&o, hosts))
			settings.errs.Add("", o.Check())
			if err := settings.errs.Err(); err != nil {
				return err
			}
			if check {
				return a.writeSettings(settings.inForce(true))
			}
			if compileOnly {
				return server.Compile(cmd.Context(), o)
			}
			o.DropArgs = !keepArgs
			o.Settings = settings.inForce(false)
			var err error
			if o.Config, err = a.serveConfig(cmd.Flags(), settings); err != nil {
				return err
			}
			return server.Run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&config, configFlag, "", "TOML `FILE` with settings, which flags and variables override (default none)")
	f.BoolVar(&check, "check", false, "check the settings, print those in force, and exit")
	f.BoolVar(&schema, "schema", false, "print the JSON Schema of the file of --config, for editors, and exit")
	f.BoolVar(&compileOnly, "compile-only", false, "compile the Python interpreter into --cache or the data folder, for later starts, and exit")
	f.StringVar(&o.TLSCert, "tls-cert", "", "PEM `FILE` with the certificate of the server and those that lead to its authority; read again when it changes")
	f.StringVar(&o.TLSKey, "tls-key", "", "PEM `FILE` with the private key of --tls-cert")
	f.StringSliceVar(&o.ACMEDomains, "acme-domain", nil, "`DOMAIN` for which the server gets certificates itself, by ACME")
	f.StringVar(&o.ACMEEmail, "acme-email", "", "`ADDRESS` that the authority may write to (default none)")
	f.StringVar(&o.ACMEDirectory, "acme-directory", "", "`URL` of the directory of the authority (default that of Let's Encrypt)")
	f.StringVar(&o.Listen, "listen", server.DefaultListen, "`ADDRESS` to listen at; port 0 is any free port")
	f.StringVar(&o.HealthListen, "health-listen", "", "`ADDRESS` to serve /healthz, /readyz and /metrics at, without a token and with limits of its own (default none)")
	f.StringVar(&o.Data, "data", "", "data `FOLDER` (default ~/.faaspot/data)")
	f.StringVar(&o.Cache, "cache", "", "`FOLDER` of the compiled Python interpreter (default cache in the data folder)")
	f.StringVar(&o.SecretsFile, "secrets-file", "", "`FILE` with the keys that encrypt secrets; made if it does not exist (default secrets.keys in the data folder)")
	f.Var(&o.MemoryBudget, "memory-budget", "`SIZE` of the memory that the server holds for functions and clients; the process takes up to 300 MB more (default half of the machine's memory)")
	f.Var(&o.ImageDisk, "image-disk", "`SIZE` of the images of functions that are kept on disk when there is no memory for them; 0KB keeps none (default 1/8 of what is free on the disk at the start)")
	f.Var(&o.DiskFloor, "disk-floor", "`SIZE` that must be free on the disk of the data folder: below it nothing new is accepted, and what was accepted ends (default 64 MB, or 1/8 of a small disk)")
	f.Var(&o.Ballast, "ballast", "`SIZE` of a file that is given up when the disk is full, so that runs can be cancelled and functions deleted; 0KB keeps none (default 1/16 of the disk, at most 32 MB)")
	f.Var(&o.AuditAge, "audit-age", "keep entries of the audit log for `DURATION`, such as 90d")
	f.Var(&o.AuditBytes, "audit-bytes", "`SIZE` of the audit log; tenants that have most lose their oldest entries (default 64 MB, or 1/32 of a small disk)")
	f.DurationVar(&o.Grace, "grace", server.DefaultGrace, "`DURATION` that started runs get to finish when the server stops")
	f.Var(&o.RetentionAge, "retention-age", "keep finished executions for `DURATION`, such as 12h or 7d")
	f.IntVar(&o.RetentionCount, "retention-count", engine.DefaultRetentionCount, "keep at most `N` finished executions; functions that have most lose their oldest")
	f.Var(&o.RetentionMinAge, "retention-min-age", "keep finished executions for `DURATION`, however many there are")
	f.Var(&o.RetentionBytes, "retention-bytes", "`SIZE` of the finished executions that are kept (default half of what the disk has for the data)")
	f.Var(&o.RetentionTenantBytes, "retention-tenant-bytes", "`SIZE` of the finished executions that are kept of one tenant (default 3/4 of --retention-bytes)")
	f.Var(&o.RetentionFunctionBytes, "retention-function-bytes", "`SIZE` of the finished executions that are kept of one function (default half of --retention-bytes)")
	f.BoolVar(&keepArgs, "keep-args", true, "store args of up to 64 KiB with executions, unless a function does not want that")
	f.StringVar(&o.PublicURL, "public-url", "", "`URL` at which clients reach the server, if it is behind a proxy")
	f.StringSliceVar(&o.EgressAllow, "egress-allow", nil, "private `ADDRESS`, network or host[:port] that callbacks, and functions that allow it, may reach, besides the public internet")
	f.StringSliceVar(&o.EgressCeiling, "egress-ceiling", nil, "`RULE` beyond which no function may reach anything, such as *.example.com:443; none: functions reach nothing (default what they allow)")
	f.StringVar(&o.EgressProxy, "egress-proxy", "", "`URL` of a proxy, http or socks5, through which functions connect to the public internet (default none)")
	f.IntVar(&o.Workers, "workers", 0, "run functions in `N` processes that hold no data and no secrets but those of the functions that they run; 0: in the server")
	f.IntVar(&o.OwnWorkers, "own-workers", server.DefaultOwnWorkers, "with --workers: at most `N` tenants may have a worker of their own, see \"fas tenants update\"")
	f.IntVar(&o.TenantLimits.RequestsPerSecond, "tenant-requests", 0, "let each tenant send at most `N` requests per second, unless it has a limit of its own (default without a limit)")
	f.IntVar(&o.TenantLimits.RequestBurst, "tenant-request-burst", 0, "`N` requests of a tenant that may arrive at once (default as many as per second)")
	f.IntVar(&o.TenantLimits.Runs, "tenant-runs", 0, "let each tenant have at most `N` runs at once, unless it has a limit of its own (default without a limit)")
	f.IntVar(&o.TenantLimits.Queued, "tenant-queued", 0, "let at most `N` executions of each tenant wait in the background, unless it has a limit of its own (default without a limit)")
	f.IntVar(&o.TenantLimits.Functions, "tenant-functions", 0, "let each tenant have at most `N` functions, unless it has a limit of its own (default without a limit)")
	limitVar(f, &o.TenantLimits.CodeBytes, true, "tenant-code-bytes", "`SIZE` of the code of each tenant: kept versions with their contexts, and bundles (default without a limit)")
	limitVar(f, &o.TenantLimits.StoredBytes, true, "tenant-stored-bytes", "`SIZE` of everything else that is stored of each tenant, such as results, logs, jobs and dead letters (default without a limit)")
	limitVar(f, &o.TenantLimits.EgressBytes, true, "tenant-egress-bytes", "`SIZE` of what the functions of each tenant send and receive on a day, in UTC (default without a limit)")
	f.StringSliceVar(&hosts, "tenant-egress-hosts", nil, "`RULE` beyond which functions of tenants without rules of their own reach nothing, such as *.example.com:443; none: nothing (default what they allow)")
	f.IntVar(&o.TenantLimits.ProcessorShare, "tenant-processor-share", 0, "part `N` of the processors, 1 to 1000, of each tenant without one of its own while others want them (default 100)")
	limitVar(f, &o.TenantLimits.Memory, true, "tenant-memory-bytes", "`SIZE` of the memory of the runs of each tenant at once (default 7/8 of the memory of runs)")
	limitVar(f, &o.TenantLimits.Images, true, "tenant-image-bytes", "`SIZE` of the images and idle instances of each tenant's functions that stay in memory (default without a limit)")
	f.StringSliceVar(&o.Cluster, "cluster", nil, "`URL` of a server of the log of a cluster, such as nats://10.0.0.1:4222 (default none: the server is alone)")
	f.StringVar(&o.ClusterName, "cluster-name", "", "`NAME` of the cluster, the same on all nodes")
	f.StringVar(&o.Node, "node", "", "`NAME` of this node, which no other node has")
	f.StringVar(&o.NodeListen, "node-listen", server.DefaultNodeListen, "`ADDRESS` to listen at for other nodes; port 0 is any free port")
	f.StringVar(&o.NodeAddress, "node-address", "", "`ADDRESS` at which other nodes reach this one (default that of --node-listen)")
	f.StringVar(&o.ClusterKeyFile, "cluster-key-file", "", "`FILE` with the key of the cluster (default none)")
	f.BoolVar(&o.ClusterCreate, "cluster-create", false, "make the log of the cluster, and the keys of secrets, if there are none")
	f.StringVar(&o.OTLPEndpoint, "otlp-endpoint", "", "`URL` of a collector that gets traces by OTLP over HTTP, such as http://127.0.0.1:4318 (default that of OTEL_EXPORTER_OTLP_ENDPOINT, else none)")
	f.Var(&o.OTLPSampleRatio, "otlp-sample-ratio", "`PART` of the traces that is exported, from 0 to 1, of those whose callers do not say it")
	f.Var(&o.LogLevel, "log-level", "lowest `LEVEL` to log: debug, info, warn or error")
	f.BoolVar(&o.AccessLog, "access-log", false, "log each request, whatever the --log-level: without query, header and body")
	f.Var(&o.LogFormat, "log-format", "`FORMAT` of the log: text, json, or auto: text on a terminal, else JSON")
	f.StringVar(&o.AddressFile, "address-file", "", "`FILE` to write the address to once the server is ready")
	f.BoolVar(&o.Demo, "demo", false, "deploy a sample function, run it once, and print how to call it")
	f.BoolVar(&o.Unconfined, "unconfined", false, "keep all rights of the process, to debug it")
	f.BoolVar(&o.ResetAdminToken, "reset-admin-token", false, "generate a new admin token; the old one stops working")
	_ = cmd.MarkFlagDirname("data")
	_ = cmd.MarkFlagDirname("cache")
	_ = cmd.MarkFlagFilename("address-file")
	for _, name := range []string{"secrets-file", "cluster-key-file", configFlag, "tls-cert", "tls-key"} {
		_ = cmd.MarkFlagFilename(name)
	}
	_ = cmd.RegisterFlagCompletionFunc("log-level", cobra.FixedCompletions(server.LevelNames, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions(server.FormatNames, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// serveOptions completes the options of a server with what is not a flag, and checks what the command line
// gives in another form than the server takes it.
func (a *app) serveOptions(o *server.Options, hosts []string) (err error) {
	o.Terminal, o.Environ, o.Trace, o.Version = &a.Terminal, a.env, a.trace(), version()
	if o.Data, err = dataFolder(a, o.Data); err != nil {
		return err
	}
	for _, path := range []*string{&o.TLSCert, &o.TLSKey, &o.ClusterKeyFile, &o.SecretsFile, &o.Cache} {
		if *path != "" {
			if *path, err = filepath.Abs(*path); err != nil {
				return err
			}
		}
	}
	o.TenantLimits.EgressHosts, err = runtime.NormalEgressHosts(hosts)
	return err
}

package main

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/cmd/fas/internal/server"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
)

// serveEnv maps flags of `fas serve` to their environment variables. A flag overrides its variable.
var serveEnv = map[string]string{
	"listen":                   "FAASPOT_LISTEN",
	"health-listen":            "FAASPOT_HEALTH_LISTEN",
	"data":                     "FAASPOT_DATA",
	"secrets-file":             "FAASPOT_SECRETS_FILE",
	"memory-budget":            "FAASPOT_MEMORY_BUDGET",
	"image-disk":               "FAASPOT_IMAGE_DISK",
	"disk-floor":               "FAASPOT_DISK_FLOOR",
	"ballast":                  "FAASPOT_BALLAST",
	"audit-age":                "FAASPOT_AUDIT_AGE",
	"audit-bytes":              "FAASPOT_AUDIT_BYTES",
	"grace":                    "FAASPOT_GRACE",
	"retention-age":            "FAASPOT_RETENTION_AGE",
	"retention-count":          "FAASPOT_RETENTION_COUNT",
	"retention-min-age":        "FAASPOT_RETENTION_MIN_AGE",
	"retention-bytes":          "FAASPOT_RETENTION_BYTES",
	"retention-tenant-bytes":   "FAASPOT_RETENTION_TENANT_BYTES",
	"retention-function-bytes": "FAASPOT_RETENTION_FUNCTION_BYTES",
	"keep-args":                "FAASPOT_KEEP_ARGS",
	"public-url":               "FAASPOT_PUBLIC_URL",
	"egress-allow":             "FAASPOT_EGRESS_ALLOW",
	"egress-ceiling":           "FAASPOT_EGRESS_CEILING",
	"egress-proxy":             "FAASPOT_EGRESS_PROXY",
	"workers":                  "FAASPOT_WORKERS",
	"own-workers":              "FAASPOT_OWN_WORKERS",
	"tenant-requests":          "FAASPOT_TENANT_REQUESTS",
	"tenant-request-burst":     "FAASPOT_TENANT_REQUEST_BURST",
	"tenant-runs":              "FAASPOT_TENANT_RUNS",
	"tenant-queued":            "FAASPOT_TENANT_QUEUED",
	"tenant-functions":         "FAASPOT_TENANT_FUNCTIONS",
	"tenant-code-bytes":        "FAASPOT_TENANT_CODE_BYTES",
	"tenant-stored-bytes":      "FAASPOT_TENANT_STORED_BYTES",
	"tenant-egress-bytes":      "FAASPOT_TENANT_EGRESS_BYTES",
	"tenant-egress-hosts":      "FAASPOT_TENANT_EGRESS_HOSTS",
	"tenant-processor-share":   "FAASPOT_TENANT_PROCESSOR_SHARE",
	"tenant-memory-bytes":      "FAASPOT_TENANT_MEMORY_BYTES",
	"tenant-image-bytes":       "FAASPOT_TENANT_IMAGE_BYTES",
	"log-level":                "FAASPOT_LOG_LEVEL",
	"access-log":               "FAASPOT_ACCESS_LOG",
	"log-format":               "FAASPOT_LOG_FORMAT",
	"unconfined":               "FAASPOT_UNCONFINED",
}

func newServe(a *app) *cobra.Command {
	o := server.Options{
		LogLevel:        server.LogLevel(slog.LevelInfo),
		LogFormat:       server.FormatAuto,
		RetentionAge:    ui.Span(engine.DefaultRetentionAge),
		RetentionMinAge: ui.Span(engine.DefaultRetentionMinAge),
		ImageDisk:       server.DefaultImageDisk,
		Ballast:         server.DefaultBallast,
		AuditAge:        ui.Span(runtime.DefaultAuditAge),
	}
	var hosts []string
	var keepArgs bool
	cmd := &cobra.Command{
		Use:        "serve",
		GroupID:    groupServer,
		SuggestFor: []string{"server", "dev", "start", "daemon"},
		Short:      "Run the server",
		Long: `Run the server until Ctrl-C or SIGTERM. The server then refuses new requests, lets
started runs finish within --grace, and exits. A second Ctrl-C ends it at once.

At its first start the server generates an admin token, stores its SHA-256 with the
data, and writes the token to a profile in ~/.faaspot/fasconf.yaml, so that other
commands work at once. If FAASPOT_ADMIN_TOKEN is set, that is the admin token, and
nothing is written.

Requests are not encrypted. To serve other machines, put a proxy that speaks TLS in
front.

Before it runs functions, the server gives up the rights that it does not need, as far
as the kernel allows: it uses no files but its data folder and a few of the system's,
executes no programs, and writes no core dumps. --unconfined keeps all rights, for
debuggers and profilers.

With --workers N, functions run in N further processes, which have no files, no network
and no secrets but those of the functions that they run. If one crashes, its runs lose one
attempt, and the server starts it again.

All flags except --demo, --address-file and --reset-admin-token can also be set by
variables: FAASPOT_LISTEN, FAASPOT_HEALTH_LISTEN, FAASPOT_DATA,
FAASPOT_SECRETS_FILE,
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
FAASPOT_TENANT_IMAGE_BYTES, FAASPOT_LOG_LEVEL, FAASPOT_ACCESS_LOG,
FAASPOT_LOG_FORMAT, FAASPOT_UNCONFINED.`,
		Example: `  fas serve
  fas serve --listen 0.0.0.0:8080 --data /var/lib/faaspot --log-format json
  fas serve --demo`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flagsFromEnv(cmd.Flags(), serveEnv, a.env); err != nil {
				return err
			}
			var err error
			if o.Data, err = dataFolder(a, o.Data); err != nil {
				return err
			}
			o.DropArgs = !keepArgs
			if o.Grace < 0 {
				return clierror.Usagef("give a duration, such as 30s", "the --grace %v is negative", o.Grace)
			}
			if o.RetentionCount < 1 {
				return clierror.Usagef("give a number from 1 on", "the --retention-count %d is not positive", o.RetentionCount)
			}
			if n := max(o.Workers, o.OwnWorkers); n > server.MaxWorkers || min(o.Workers, o.OwnWorkers) < 0 {
				return clierror.Usagef(fmt.Sprintf("give numbers from 0 to %d", server.MaxWorkers),
					"the --workers %d or the --own-workers %d are out of bounds", o.Workers, o.OwnWorkers)
			}
			if o.TenantLimits.EgressHosts, err = runtime.NormalEgressHosts(hosts); err != nil {
				return err
			}
			if err := o.TenantLimits.Validate(); err != nil {
				return err
			}
			if l := o.TenantLimits; l.RequestBurst > 0 && l.RequestsPerSecond == 0 {
				return clierror.Usagef("give --tenant-requests too, or leave the burst out", "--tenant-request-burst has no effect without --tenant-requests")
			}
			o.Terminal, o.Environ, o.Trace, o.Version = &a.Terminal, a.env, a.trace(), version()
			return server.Run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", server.DefaultListen, "`ADDRESS` to listen at; port 0 is any free port")
	f.StringVar(&o.HealthListen, "health-listen", "", "`ADDRESS` to serve /healthz and /readyz at, without a token and with limits of its own (default none)")
	f.StringVar(&o.Data, "data", "", "data `FOLDER` (default ~/.faaspot/data)")
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
	f.Var(&o.LogLevel, "log-level", "lowest `LEVEL` to log: debug, info, warn or error")
	f.BoolVar(&o.AccessLog, "access-log", false, "log each request, whatever the --log-level: without query, header and body")
	f.Var(&o.LogFormat, "log-format", "`FORMAT` of the log: text, json, or auto: text on a terminal, else JSON")
	f.StringVar(&o.AddressFile, "address-file", "", "`FILE` to write the address to once the server is ready")
	f.BoolVar(&o.Demo, "demo", false, "deploy a sample function, run it once, and print how to call it")
	f.BoolVar(&o.Unconfined, "unconfined", false, "keep all rights of the process, to debug it")
	f.BoolVar(&o.ResetAdminToken, "reset-admin-token", false, "generate a new admin token; the old one stops working")
	_ = cmd.MarkFlagDirname("data")
	_ = cmd.MarkFlagFilename("address-file")
	_ = cmd.MarkFlagFilename("secrets-file")
	_ = cmd.RegisterFlagCompletionFunc("log-level", cobra.FixedCompletions(server.LevelNames, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions(server.FormatNames, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// flagsFromEnv sets flags that are not on the command line from their variables. It ignores empty
// variables.
func flagsFromEnv(flags *pflag.FlagSet, names map[string]string, env environ.Environment) error {
	var wrong error
	flags.VisitAll(func(f *pflag.Flag) {
		value := env[names[f.Name]]
		if f.Changed || strings.TrimSpace(value) == "" || wrong != nil {
			return
		}
		if err := f.Value.Set(value); err != nil {
			wrong = clierror.Usagef("see `fas serve --help`", "the variable %s has the invalid value %q: %v", names[f.Name], value, err)
		}
	})
	return wrong
}

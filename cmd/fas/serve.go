package main

import (
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/faaspot/faaspot/runtime/engine"
)

const (
	defaultListen = "127.0.0.1:8080"
	// defaultGrace is how long runs that have begun may go on when the server
	// is told to stop: what process managers commonly wait before they kill.
	defaultGrace = 30 * time.Second
)

// serveOptions is what `fas serve` was asked for.
type serveOptions struct {
	listen          string
	data            string
	memoryBudget    byteSize
	grace           time.Duration
	retentionAge    span
	retentionCount  int
	publicURL       string
	egressAllow     []string
	logLevel        logLevel
	logFormat       logFormat
	addressFile     string
	demo            bool
	resetAdminToken bool
}

// serveEnv names the variable of each flag of `fas serve` that has one. A flag
// is stronger than its variable.
var serveEnv = map[string]string{
	"listen":          "FAASPOT_LISTEN",
	"data":            "FAASPOT_DATA",
	"memory-budget":   "FAASPOT_MEMORY_BUDGET",
	"grace":           "FAASPOT_GRACE",
	"retention-age":   "FAASPOT_RETENTION_AGE",
	"retention-count": "FAASPOT_RETENTION_COUNT",
	"public-url":      "FAASPOT_PUBLIC_URL",
	"egress-allow":    "FAASPOT_EGRESS_ALLOW",
	"log-level":       "FAASPOT_LOG_LEVEL",
	"log-format":      "FAASPOT_LOG_FORMAT",
}

func newServe(a *app) *cobra.Command {
	o := serveOptions{
		logLevel:     logLevel(slog.LevelInfo),
		logFormat:    formatAuto,
		retentionAge: span(engine.DefaultRetentionAge),
	}
	cmd := &cobra.Command{
		Use:     "serve",
		GroupID: groupServer,
		Short:   "Run the server",
		Long: `Run the server until Ctrl-C or SIGTERM. It then takes no more requests, lets runs
that have begun end for as long as --grace says, and exits. A second Ctrl-C ends
it at once.

On its first start the server draws an admin token, keeps its SHA-256 with the
data and writes the token to a profile in ~/.faaspot/fasconf.yaml, so that other
commands work at once. With FAASPOT_ADMIN_TOKEN set, that is the admin token, and
nothing is written.

Requests are not encrypted. To serve beyond this machine, put a proxy that speaks
TLS in front.

Every flag of the server but --demo, --address-file and --reset-admin-token can be
set by a variable too: FAASPOT_LISTEN, FAASPOT_DATA, FAASPOT_MEMORY_BUDGET,
FAASPOT_GRACE, FAASPOT_RETENTION_AGE, FAASPOT_RETENTION_COUNT,
FAASPOT_PUBLIC_URL, FAASPOT_EGRESS_ALLOW, FAASPOT_LOG_LEVEL, FAASPOT_LOG_FORMAT.`,
		Example: `  fas serve
  fas serve --listen 0.0.0.0:8080 --data /var/lib/faaspot --log-format json
  fas serve --demo`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flagsFromEnv(cmd.Flags(), serveEnv, a.env); err != nil {
				return err
			}
			if o.data == "" {
				dir, err := a.env.dir()
				if err != nil {
					return err
				}
				o.data = filepath.Join(dir, "data")
			}
			var err error
			if o.data, err = filepath.Abs(o.data); err != nil {
				return err
			}
			if o.grace < 0 {
				return usagef("give a duration, such as 30s", "the --grace %v is negative", o.grace)
			}
			if o.retentionCount < 1 {
				return usagef("give a number from 1 on", "the --retention-count %d is not positive", o.retentionCount)
			}
			return a.serve(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", defaultListen, "`ADDRESS` to listen at; port 0 is any free one")
	f.StringVar(&o.data, "data", "", "`FOLDER` to keep functions in (default ~/.faaspot/data)")
	f.Var(&o.memoryBudget, "memory-budget", "`SIZE` that runs may use together (default half of the machine's memory)")
	f.DurationVar(&o.grace, "grace", defaultGrace, "`DURATION` that runs may go on after the server is told to stop")
	f.Var(&o.retentionAge, "retention-age", "`DURATION` for which executions are kept that are done, such as 12h or 7d")
	f.IntVar(&o.retentionCount, "retention-count", engine.DefaultRetentionCount, "`N` executions that are done are kept at most, the newest")
	f.StringVar(&o.publicURL, "public-url", "", "`URL` under which clients reach the server, if behind a proxy")
	f.StringSliceVar(&o.egressAllow, "egress-allow", nil, "`ADDRESS`, network or host[:port] that callbacks may go to though it is not of the public internet")
	f.Var(&o.logLevel, "log-level", "`LEVEL` from which on to log: debug, info, warn or error")
	f.Var(&o.logFormat, "log-format", "`FORMAT` of the log: text, json, or auto for text on a terminal and JSON elsewhere")
	f.StringVar(&o.addressFile, "address-file", "", "`FILE` to write the address to once the server is ready")
	f.BoolVar(&o.demo, "demo", false, "deploy a sample function, run it once and say how to call it")
	f.BoolVar(&o.resetAdminToken, "reset-admin-token", false, "draw a new admin token; the old one stops working")
	_ = cmd.MarkFlagDirname("data")
	_ = cmd.RegisterFlagCompletionFunc("listen", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("memory-budget", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("grace", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("retention-age", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("retention-count", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("public-url", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("egress-allow", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("log-level", cobra.FixedCompletions(levelNames, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions(formatNames, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// flagsFromEnv sets flags that were not given from their variables. A variable
// that is set but empty counts as not set.
func flagsFromEnv(flags *pflag.FlagSet, names map[string]string, env environment) error {
	var wrong error
	flags.VisitAll(func(f *pflag.Flag) {
		value := env[names[f.Name]]
		if f.Changed || strings.TrimSpace(value) == "" || wrong != nil {
			return
		}
		if err := f.Value.Set(value); err != nil {
			wrong = usagef("see `fas serve --help`", "the variable %s has the invalid value %q: %v", names[f.Name], value, err)
		}
	})
	return wrong
}

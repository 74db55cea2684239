package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
)

// Groups of commands in the help of the root command.
const (
	groupServer    = "server"
	groupFunctions = "functions"
	groupJobs      = "jobs"
)

func newRoot(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fas",
		Short: "Run Python functions, each call in its own sandbox",
		Long: `Run Python functions over HTTP, each call in a fresh sandbox.

fas is the server and its command line: "fas serve" runs a server on this machine,
and the other commands talk to a server.`,
		Example: `  fas serve
  fas functions apply hello --file hello.py
  fas functions run hello -p name=you --wait`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          group,
	}
	cmd.SetVersionTemplate("fas {{.Version}}\n")
	// A command with subcommands is not called by itself.
	cmd.SetUsageTemplate(strings.Replace(cmd.UsageTemplate(), "{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", 1))
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return clierror.Usagef("see `"+c.CommandPath()+" --help`", "%v", err)
	})
	cmd.PersistentFlags().StringVar(&a.profile, "profile", "", "use the profile `NAME`, see \"fas help environment\"")
	cmd.PersistentFlags().CountVarP(&a.Verbosity, "verbose", "v", "trace HTTP: -v requests, -vv headers, -vvv connections")
	_ = cmd.RegisterFlagCompletionFunc("profile", a.completeProfiles)
	// FaaSpot's documents write flags of several words with underscores; everything else uses
	// dashes.
	cmd.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	// Only flags and arguments that name a file complete to files.
	cmd.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	cmd.AddGroup(
		&cobra.Group{ID: groupServer, Title: "Server:"},
		&cobra.Group{ID: groupFunctions, Title: "Functions:"},
		&cobra.Group{ID: groupJobs, Title: "Jobs:"},
	)
	cmd.AddCommand(
		newServe(a),
		newInit(a),
		newFunctions(a),
		newExecutions(a),
		newJobs(a),
		newDeadLetters(a),
		newProfiles(a),
		newAuth(a),
		newVersion(a),
		newHelpExitCodes(),
		newHelpEnvironment(),
	)
	spellOut(cmd)
	return cmd
}

// spellOut omits "[flags]" from usage lines that list the flags.
func spellOut(cmd *cobra.Command) {
	cmd.DisableFlagsInUseLine = strings.Contains(cmd.Use, "--")
	for _, sub := range cmd.Commands() {
		spellOut(sub)
	}
}

// group runs a command with subcommands: without arguments it shows the help, else it reports that
// the subcommand does not exist.
func group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	hint := "see `" + cmd.CommandPath() + " --help`"
	if cmd.SuggestionsMinimumDistance <= 0 {
		cmd.SuggestionsMinimumDistance = 2 // letters that may differ, the default of cobra
	}
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		hint = "did you mean `" + cmd.CommandPath() + " " + strings.Join(similar, "` or `"+cmd.CommandPath()+" ") + "`?"
	}
	return clierror.Usagef(hint, "%s has no command %q", cmd.CommandPath(), args[0])
}

// arguments checks that a command has exactly the named arguments.
func arguments(names ...string) cobra.PositionalArgs { return argumentsAndMore(0, names...) }

// argumentsAndMore checks that a command has the named arguments and up to more further ones.
func argumentsAndMore(more int, names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		hint := "usage: " + cmd.UseLine()
		if len(args) < len(names) {
			return clierror.Usagef(hint, "the %s is missing", strings.Join(names[len(args):], " and the "))
		}
		if most := len(names) + more; len(args) > most {
			return clierror.Usagef(hint, "%q is one argument too many", args[most])
		}
		return nil
	}
}

// exclusive checks that at most one of the flags is set.
func exclusive(cmd *cobra.Command, names ...string) error {
	var given []string
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			given = append(given, "--"+name)
		}
	}
	if len(given) > 1 {
		return clierror.Usagef("use only one of them", "%s exclude each other", strings.Join(given, " and "))
	}
	return nil
}

package main

import (
	"strings"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Groups of commands in the help of the root.
const (
	groupServer    = "server"
	groupFunctions = "functions"
	groupJobs      = "jobs"
)

func newRoot(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fas",
		Short: "Run Python functions, each call in a sandbox of its own",
		Long: `Run Python functions over HTTP, each call in a pristine sandbox.

fas is the server and its command line: "fas serve" starts a server on this
machine, and the other commands talk to it.`,
		Example: `  fas serve
  fas functions create hello --file hello.py
  fas functions run hello -p name=you --wait`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          group,
	}
	cmd.SetVersionTemplate("fas {{.Version}}\n")
	// A command that only holds others is not called by itself.
	cmd.SetUsageTemplate(strings.Replace(cmd.UsageTemplate(), "{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", 1))
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return clierror.Usagef("see `"+c.CommandPath()+" --help`", "%v", err)
	})
	cmd.PersistentFlags().StringVar(&a.profile, "profile", "", "the profile `NAME` of the server to talk to, see \"fas help environment\"")
	cmd.PersistentFlags().CountVarP(&a.Verbosity, "verbose", "v", "tell what goes over the wire: -v requests, -vv headers, -vvv connections")
	_ = cmd.RegisterFlagCompletionFunc("profile", a.completeProfiles)
	// Flags of two words are written with an underscore in FaaSpot's documents,
	// and with a dash everywhere else.
	cmd.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
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

// spellOut keeps "[flags]" out of usage lines that name the flags.
func spellOut(cmd *cobra.Command) {
	cmd.DisableFlagsInUseLine = strings.Contains(cmd.Use, "--")
	for _, sub := range cmd.Commands() {
		spellOut(sub)
	}
}

// group is what a command does that only holds others: it shows them, or says
// that there is none of that name.
func group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	hint := "see `" + cmd.CommandPath() + " --help`"
	if cmd.SuggestionsMinimumDistance <= 0 {
		cmd.SuggestionsMinimumDistance = 2 // letters that may differ, as everywhere in cobra
	}
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		hint = "did you mean `" + cmd.CommandPath() + " " + strings.Join(similar, "` or `"+cmd.CommandPath()+" ") + "`?"
	}
	return clierror.Usagef(hint, "%s has no command %q", cmd.CommandPath(), args[0])
}

// arguments checks that a command gets exactly the named ones.
func arguments(names ...string) cobra.PositionalArgs { return argumentsAndMore(0, names...) }

// argumentsAndMore checks that a command gets the named ones, and up to so many
// more.
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

// exclusive checks that at most one of some flags is given.
func exclusive(cmd *cobra.Command, names ...string) error {
	var given []string
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			given = append(given, "--"+name)
		}
	}
	if len(given) > 1 {
		return clierror.Usagef("give one of them", "%s exclude each other", strings.Join(given, " and "))
	}
	return nil
}

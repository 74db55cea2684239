package main

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime/suggest"
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
	// A help topic is read with help.
	cmd.SetUsageTemplate(strings.NewReplacer(
		"{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}",
		"{{rpad .CommandPath .CommandPathPadding}}", `fas help {{rpad .Name 12}}`,
	).Replace(cmd.UsageTemplate()))
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if words := c.Flags().Args(); c.HasSubCommands() && len(words) > 0 {
			return group(c, words) // the flag is one of a command that does not exist
		}
		return clierror.Usagef(unknownFlag(c, err), "%s", flagMessage(err))
	})
	cmd.PersistentFlags().StringVar(&a.profile, "profile", "", "use the profile `NAME`, see \"fas help environment\"")
	cmd.PersistentFlags().StringVar(&a.url, "url", "", "talk to the server at `URL`, with FAASPOT_TOKEN or the token of a profile with that URL")
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
		newEngine(a),
		newCluster(a),
		newInit(a),
		newDeploy(a),
		newTry(a),
		newDev(a),
		newHistory(a),
		newDiff(a),
		newRollback(a),
		newPackages(a),
		newFunctions(a),
		newExecutions(a),
		newOperations(a),
		newBulkGroup(a),
		newLogs(a),
		newDescribe(a),
		newTop(a),
		newBench(a),
		newJobs(a),
		newDeadLetters(a),
		newProfiles(a),
		newLogin(a),
		newWhoami(a),
		newAuth(a),
		newTenants(a),
		newTokens(a),
		newAudit(a),
		newSecrets(a),
		newAdmin(a),
		newVersion(a),
		newWorkers(a),
		newReady(a),
		newMCP(a),
		newDoctor(a),
		newMan(a),
		newOpen(a),
		newSpawner(a),
		newWorker(a),
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
	if similar := suggestions(cmd, args[0]); len(similar) > 0 {
		hint = "did you mean `" + strings.Join(similar, "` or `") + "`?"
	}
	return clierror.Usagef(hint, "%s has no command %q", cmd.CommandPath(), args[0])
}

// maxSuggestions is the largest number of commands that a hint suggests.
const maxSuggestions = 3

// suggestions returns the command paths that a word below a command may mean, best first: the command
// of that name or alias in another group, or one that suggests itself for it, such as `fas executions
// logs` for logs; else commands of the group with a similar name.
func suggestions(cmd *cobra.Command, word string) (paths []string) {
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				if sub.Name() == word || sub.HasAlias(word) || slices.Contains(sub.SuggestFor, word) {
					paths = append(paths, sub.CommandPath())
				}
				visit(sub)
			}
		}
	}
	visit(cmd)
	if len(paths) == 0 && cmd.HasParent() {
		visit(cmd.Root())
	}
	if len(paths) > 0 {
		return paths[:min(len(paths), maxSuggestions)]
	}
	cmd.SuggestionsMinimumDistance = 2 // letters that may differ, the default of cobra
	for _, name := range cmd.SuggestionsFor(word) {
		paths = append(paths, cmd.CommandPath()+" "+name)
	}
	return paths[:min(len(paths), maxSuggestions)]
}

// flagMessage returns the message of an error about a flag. The library words errors of numbers as
// package strconv does.
func flagMessage(err error) string {
	invalid, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err.Error()
	}
	wanted := "give a number"
	switch invalid.GetFlag().Value.Type() {
	case "int", "count":
		wanted = "give a whole number"
	case "bool":
		wanted = "give true or false"
	}
	if cause, ok := errors.AsType[*strconv.NumError](err); ok {
		return strings.Replace(err.Error(), cause.Error(), wanted, 1)
	}
	return err.Error()
}

// unknownFlag returns the hint for a flag that a command does not have.
func unknownFlag(c *cobra.Command, err error) string {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok && len(unknown.GetSpecifiedName()) > 1 {
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if near := suggest.Closest(unknown.GetSpecifiedName(), names); near != "" {
			return "did you mean --" + near + "? See `" + c.CommandPath() + " --help`"
		}
	}
	return "see `" + c.CommandPath() + " --help`"
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

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/config"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// defaultProfile is what a profile is called that nobody has named.
const defaultProfile = "default"

func newProfilesCreate(a *app) *cobra.Command {
	var name string
	var fill profileFlags
	var updateIfExists, setActive bool
	cmd := &cobra.Command{
		Use:   "create [NAME] [-t TOKEN] [--host HOST] [--port PORT] [--protocol http|https] [--set-as-active-profile]",
		Short: "Make a profile",
		Long: `Make a profile for a server. Nothing is asked of the server.

It becomes the profile in use if none is, or with --set-as-active-profile. If there
is one of that name, it is left alone unless --update-if-exist is given; then what
the flags say is changed.

Everybody on this machine can see a command line, and shells keep it: let the token
come from the standard input, with -t -. On a terminal it is asked for and not shown.`,
		Example: `  fas profiles create work --host faas.example.com --protocol https -t -
  fas profiles create --name work --update-if-exist -t - --set-as-active-profile < token`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return clierror.Usagef("usage: "+cmd.UseLine(), "%q is one argument too many", args[1])
			case len(args) == 1 && name != "" && args[0] != name:
				return clierror.Usagef("give it once", "the profile has two names, %s and %s", ui.Quote(args[0]), ui.Quote(name))
			case len(args) == 1:
				name = args[0]
			case name == "":
				name = defaultProfile
			}
			if err := profileName(name); err != nil {
				return err
			}
			if err := fill.read(cmd.Context(), a, cmd); err != nil {
				return err
			}
			done, inUse := "made", ""
			err := a.changeProfiles(func(f *config.File) error {
				p, exists, err := f.Profile(name)
				if err != nil {
					return err
				}
				if exists && !updateIfExists {
					return runtime.Errorf(runtime.CodeAlreadyExists, "there is a profile %q in %s", name, f.Path()).
						WithHint("change it with --update-if-exist, or take another name")
				}
				fill.apply(cmd, &p)
				if exists {
					done = "changed"
				} else {
					p = p.WithDefaults()
				}
				if err := f.SetProfile(name, p); err != nil {
					return err
				}
				if setActive || f.Active() == "" {
					if err := f.SetActive(name); err != nil {
						return err
					}
				}
				inUse = f.Active()
				return nil
			})
			if err != nil {
				return err
			}
			a.tellProfile(done, name, inUse)
			return nil
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "the `NAME`, as the argument (default \""+defaultProfile+"\")")
	fill.flags(cmd)
	cmd.Flags().BoolVar(&updateIfExists, "update-if-exist", false, "change the profile if there is one of that name")
	cmd.Flags().BoolVar(&setActive, "set-as-active-profile", false, "make it the profile in use")
	_ = cmd.RegisterFlagCompletionFunc("name", cobra.NoFileCompletions)
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	return cmd
}

// tellProfile says what was done, and which profile is in use then.
func (a *app) tellProfile(done, name, inUse string) {
	switch inUse {
	case name:
		fmt.Fprintf(a.Err, "%s the profile %s, which is in use\n", done, name)
	case "":
		fmt.Fprintf(a.Err, "%s the profile %s; none is in use\n", done, name)
	default:
		fmt.Fprintf(a.Err, "%s the profile %s; %s is in use\n", done, name, inUse)
	}
}

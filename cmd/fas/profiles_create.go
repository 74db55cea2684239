package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/config"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// defaultProfile is the name of a profile without a given name.
const defaultProfile = "default"

func newProfilesCreate(a *app) *cobra.Command {
	var name string
	var fill profileFlags
	var updateIfExists, setActive, asJSON bool
	cmd := &cobra.Command{
		Use:   "create [NAME] [-t TOKEN] [--url URL | --host HOST --port PORT --protocol http|https] [--set-as-active-profile] [--json]",
		Short: "Create a profile",
		Long: `Create a profile for a server. The command does not contact the server.

The profile becomes the active one if there is none, or with --set-as-active-profile.
If a profile of that name exists, the command fails, or with --update-if-exist changes
what the flags say.

Other users of this machine can see command lines, and shells store them. Pass the
token on the standard input, with -t -. On a terminal the command prompts for it.

With --json the output is the profile, an object with the fields

` + profileFields,
		Example: `  fas profiles create work --url https://faas.example.com -t -
  fas profiles create --name work --update-if-exist -t - --set-as-active-profile < token`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return clierror.Usagef("usage: "+cmd.UseLine(), "%q is one argument too many", args[1])
			case len(args) == 1 && name != "" && args[0] != name:
				return clierror.Usagef("give the name once", "the profile has two names, %s and %s", ui.Quote(args[0]), ui.Quote(name))
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
			done, inUse := "created", ""
			err := a.changeProfiles(func(f *config.File) error {
				p, exists, err := f.Profile(name)
				if err != nil {
					return err
				}
				if exists && !updateIfExists {
					return runtime.Errorf(runtime.CodeAlreadyExists, "there is a profile %q in %s", name, f.Path()).
						WithHint("change it with --update-if-exist, or choose another name")
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
			return a.reportProfile(done, name, inUse, asJSON)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "`NAME` of the profile, instead of the argument (default \""+defaultProfile+"\")")
	fill.flags(cmd)
	cmd.Flags().BoolVar(&updateIfExists, "update-if-exist", false, "change the profile if it exists")
	cmd.Flags().BoolVar(&setActive, "set-as-active-profile", false, "make it the active profile")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// reportProfile prints what was done, and which profile is active; as JSON the profile.
func (a *app) reportProfile(done, name, inUse string, asJSON bool) error {
	if asJSON {
		f, err := a.loadProfiles()
		if err != nil {
			return err
		}
		p, err := a.showProfile(f, name)
		if err != nil {
			return err
		}
		return a.WriteJSON(p)
	}
	switch inUse {
	case name:
		fmt.Fprintf(a.Err, "%s the profile %s, which is active\n", done, name)
	case "":
		fmt.Fprintf(a.Err, "%s the profile %s; no profile is active\n", done, name)
	default:
		fmt.Fprintf(a.Err, "%s the profile %s; the active profile is %s\n", done, name, inUse)
	}
	return nil
}

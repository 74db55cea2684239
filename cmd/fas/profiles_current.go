package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/runtime"
)

func newProfilesCurrent(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "current [--json]",
		Short: "Print the name of the active profile",
		Long: `Print the name of the profile that commands use: the one of --profile, of
FAASPOT_PROFILE, or the active one of the file.

With --json the output is an object with the fields

` + profileFields,
		Args: arguments(),
		RunE: func(_ *cobra.Command, _ []string) error {
			f, err := a.loadProfiles()
			if err != nil {
				return err
			}
			name := a.activeProfile(f)
			if name == "" {
				return runtime.Errorf(runtime.CodeNotFound, "no profile is active").
					WithHint("choose one with `fas profiles use NAME`: " + profilesHint(f))
			}
			p, err := a.showProfile(f, name)
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(p)
			}
			_, err = fmt.Fprintln(a.Out, p.Name)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

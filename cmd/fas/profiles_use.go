package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/config"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
)

func newProfilesUse(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "use NAME [--json]",
		Short: "Choose the profile that commands use",
		Long: `Choose the profile that commands use unless --profile or FAASPOT_PROFILE selects
another one.

With --json the output is the profile, an object with the fields

` + profileFields,
		Example:           `  fas profiles use work`,
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeProfile,
		RunE: func(_ *cobra.Command, args []string) error {
			name := args[0]
			var url string
			err := a.changeProfiles(func(f *config.File) error {
				if !slices.Contains(f.Names(), name) {
					return noProfile(f, name)
				}
				p, _, err := f.Profile(name)
				if err != nil {
					return err
				}
				url = p.URL()
				return f.SetActive(name)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return a.reportProfile("", name, "", true)
			}
			fmt.Fprintf(a.Err, "the active profile is now %s, %s\n", name, url)
			if other := a.env[environ.ProfileVar]; other != "" && other != name {
				fmt.Fprintf(a.Err, "but %s=%s takes precedence\n", environ.ProfileVar, other)
			}
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

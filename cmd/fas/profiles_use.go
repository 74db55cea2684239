package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/config"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
)

func newProfilesUse(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "use NAME",
		Short: "Choose the profile that commands use",
		Long: `Choose the profile that commands use unless told otherwise by --profile or
FAASPOT_PROFILE.`,
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
			fmt.Fprintf(a.Err, "commands use the profile %s, %s\n", name, url)
			if other := a.env[environ.ProfileVar]; other != "" && other != name {
				fmt.Fprintf(a.Err, "but %s is set to %s, which is stronger\n", environ.ProfileVar, other)
			}
			return nil
		},
	}
}

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/config"
)

func newProfilesUpdate(a *app) *cobra.Command {
	var fill profileFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "update NAME [-t TOKEN] [--url URL | --host HOST --port PORT --protocol http|https] [--json]",
		Short: "Change a profile",
		Long: `Change a profile. Anything that is not given does not change, nor do comments and
unknown keys in the file.

Pass a token on the standard input, with -t -, where other users cannot see it.

With --json the output is the profile, an object with the fields

` + profileFields,
		Example: `  fas profiles update work --port 8443
  fas auth token --profile local | fas profiles update work -t -`,
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeProfile,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			if err := fill.read(cmd.Context(), a, cmd); err != nil {
				return err
			}
			if !fill.given(cmd) {
				return clierror.Usagef("usage: "+cmd.UseLine(), "nothing to change")
			}
			var inUse, server string
			err := a.changeProfiles(func(f *config.File) error {
				p, ok, err := f.Profile(name)
				if err != nil {
					return err
				}
				if !ok {
					return noProfile(f, name)
				}
				fill.apply(cmd, &p)
				inUse, server = f.Active(), p.ServerData
				return f.SetProfile(name, p)
			})
			if err != nil {
				return err
			}
			if err := a.reportProfile("changed", name, inUse, asJSON); err != nil {
				return err
			}
			if server != "" {
				fmt.Fprintf(a.Err, "the server with the data folder %s wrote this profile and will update its address again; remove server_data from the profile to prevent that\n", server)
			}
			return nil
		},
	}
	fill.flags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

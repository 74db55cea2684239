package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/config"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

func newProfilesDelete(a *app) *cobra.Command {
	var yes, asJSON bool
	cmd := &cobra.Command{
		Use:     "delete NAME [--yes] [--json]",
		Aliases: []string{"rm"},
		Short:   "Delete a profile",
		Long: `Delete a profile and its token. The command does not contact the server. If the
profile is the active one, no profile is active afterwards.

On a terminal the command asks for confirmation.

With --json the output is the profile that was deleted, an object with the fields

` + profileFields,
		Example:           `  fas profiles delete work`,
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeProfile,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			f, err := a.loadProfiles()
			if err != nil {
				return err
			}
			if _, ok, err := f.Profile(name); err == nil && !ok { // a damaged profile can be deleted
				return noProfile(f, name)
			}
			if !yes && ui.IsTerminal(a.In) {
				if err := a.Confirm(cmd.Context(), fmt.Sprintf("delete the profile %s and its token?", name)); err != nil {
					return err
				}
			}
			gone, err := a.showProfile(f, name)
			if asJSON && err != nil {
				return err
			}
			var inUse string
			err = a.changeProfiles(func(f *config.File) error {
				removed, err := f.RemoveProfile(name)
				if err == nil && !removed {
					return noProfile(f, name)
				}
				inUse = f.Active()
				return err
			})
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(gone)
			}
			return a.reportProfile("deleted", name, inUse, false)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask for confirmation")
	jsonFlag(cmd, &asJSON)
	return cmd
}

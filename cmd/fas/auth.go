package main

import (
	"github.com/spf13/cobra"
)

func newAuth(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "auth",
		GroupID: groupServer,
		Short:   "Show credentials",
		Args:    cobra.ArbitraryArgs,
		RunE:    group,
	}
	cmd.AddCommand(newAuthToken(a))
	return cmd
}

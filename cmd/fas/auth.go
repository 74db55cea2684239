package main

import (
	"github.com/spf13/cobra"
)

func newAuth(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "auth",
		GroupID: groupServer,
		Short:   "Print the token of the server",
		Args:    cobra.ArbitraryArgs,
		RunE:    group,
	}
	cmd.AddCommand(newAuthToken(a))
	return cmd
}

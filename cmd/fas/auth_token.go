package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newAuthToken(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "token",
		Short: "Print the token, for other programs",
		Long: `Print the token that commands use: FAASPOT_TOKEN, or the token of the profile.

The token is a secret: pass it to a program rather than to the screen.`,
		Example: `  curl -H "Authorization: Token $(fas auth token)" http://127.0.0.1:8080/v1/functions/`,
		Args:    arguments(),
		RunE: func(*cobra.Command, []string) error {
			s, err := a.target()
			if err != nil {
				return err
			}
			token, err := s.requireToken()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.Out, token)
			return err
		},
	}
}

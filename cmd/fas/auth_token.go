package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newAuthToken(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "token [--json]",
		Short: "Print the token, for other programs",
		Long: `Print the token that commands use: FAASPOT_TOKEN, or the token of the profile.

The token is a secret: pass it to a program rather than to the screen.

With --json the output is an object with the fields

  url, token, source (FAASPOT_TOKEN, or the profile)`,
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
			if asJSON {
				return a.WriteJSON(struct {
					URL    string `json:"url"`
					Token  string `json:"token"`
					Source string `json:"source"`
				}{s.url, token, s.source})
			}
			_, err = fmt.Fprintln(a.Out, token)
			return err
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

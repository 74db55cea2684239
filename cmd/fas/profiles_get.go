package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func newProfilesGet(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "get NAME [--json]",
		Short: "Show a profile",
		Long: `Show a profile, with masked token and password. "fas auth token --profile NAME" prints
the token.

With --json the output is an object with the fields

` + profileFields,
		Example:           `  fas profiles get local`,
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeProfile,
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := a.loadProfiles()
			if err != nil {
				return err
			}
			p, err := a.showProfile(f, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.WriteJSON(p)
			}
			return writeProfile(a.Out, p)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func writeProfile(out io.Writer, p shownProfile) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	inUse := "no"
	if p.Active {
		inUse = "yes"
	}
	for _, line := range []struct{ key, value string }{
		{"name", p.Name},
		{"in use", inUse},
		{"url", p.URL},
		{"token", p.Token},
		{"username", p.Username},
		{"password", p.Password},
		{"ssl certificate", p.SSLCertificate},
		{"ssl trust all", map[bool]string{true: "yes"}[p.SSLTrustAll]},
		{"server data", p.ServerData},
	} {
		if line.value == "" && line.key != "token" {
			continue
		}
		fmt.Fprintf(w, "%s:\t%s\n", line.key, line.value)
	}
	return w.Flush()
}

package main

import (
	"cmp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/config"
)

func newLogin(a *app) *cobra.Command {
	var name string
	var fill profileFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "login [URL] [--name NAME] [-t TOKEN] [--ssl-certificate FILE | --ssl-trust-all] [--json]",
		GroupID: groupServer,
		Short:   "Store the token of a server, and use the server from now on",
		Long: `Ask for a token, check it with the server, and store both in a profile, which becomes the
active one. The name of the profile is the host of the server, unless --name says
otherwise; a profile of that name is replaced. If the server does not accept the token,
nothing is stored.

The token is read from the standard input; on a terminal the command prompts for it.
Without URL the server is that of the active profile, or of --profile.

With --json the output is an object with the fields

` + accountFields,
		Example: `  fas login https://faas.example.com
  fas login https://faas.example.com --name work < token`,
		Args: argumentsAndMore(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if fill.token == "" {
				fill.token = "-"
			}
			if len(args) > 0 {
				if err := fill.readURL(args[0], cmd); err != nil {
					return err
				}
			}
			if name != "" {
				if err := profileName(name); err != nil {
					return err
				}
			}
			if err := fill.read(cmd.Context(), a, cmd); err != nil {
				return err
			}
			return a.login(cmd, name, &fill, len(args) == 0, asJSON)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "`NAME` of the profile (default the host of the server)")
	cmd.Flags().StringVarP(&fill.token, "token", "t", "", "`TOKEN`, which other users can see in the list of processes (default from the standard input)")
	cmd.Flags().StringVar(&fill.certificate, "ssl-certificate", "", "PEM `FILE` with the certificate authorities to trust, instead of the system's")
	cmd.Flags().BoolVar(&fill.trustAll, "ssl-trust-all", false, "do not verify the server's certificate")
	_ = cmd.MarkFlagFilename("ssl-certificate", "pem", "crt")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// login checks a token with a server, and stores both in a profile.
func (a *app) login(cmd *cobra.Command, name string, fill *profileFlags, again, asJSON bool) error {
	var profile config.Profile
	if again {
		s, err := a.target()
		if err != nil {
			return err
		}
		profile, name = s.profile, cmp.Or(name, s.name)
	}
	fill.apply(cmd, &profile)
	profile = profile.WithDefaults()
	profile.Token, profile.Username, profile.Password = fill.token, "", ""
	name = cmp.Or(name, profileNameOf(profile.Host))
	c, err := a.clientOf(target{url: profile.URL(), profile: profile, token: profile.Token, source: "the standard input"})
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Whoami(cmd.Context()); err != nil {
		return err
	}
	err = a.changeProfiles(func(f *config.File) error {
		if err := f.SetProfile(name, profile); err != nil {
			return err
		}
		return f.SetActive(name)
	})
	if err != nil {
		return err
	}
	return a.showAccount(cmd.Context(), c, name, asJSON)
}

// profileNameOf returns the name of a profile for a host: the host with a dash for each character that
// a name must not have.
func profileNameOf(host string) string {
	name := strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return '-'
	}, strings.ToLower(host))
	return cmp.Or(strings.TrimLeft(name, ".-"), defaultProfile)
}

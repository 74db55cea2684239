package main

import (
	"cmp"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/config"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

func newProfiles(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "profiles",
		Aliases: []string{"profile"},
		GroupID: groupServer,
		Short:   "Manage the servers that commands talk to",
		Long: `Manage the servers that commands talk to.

A profile has the address of a server and a token. Profiles are in the file
~/.faaspot/fasconf.yaml, which the Python client reads too; see
"fas help environment". "fas serve" writes a profile for itself.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	cmd.AddCommand(
		newProfilesList(a),
		newProfilesCreate(a),
		newProfilesUpdate(a),
		newProfilesGet(a),
		newProfilesUse(a),
		newProfilesCurrent(a),
		newProfilesDelete(a),
	)
	return cmd
}

// shownProfile is the output form of a profile, with masked secrets. The names and meanings of its
// fields are a promise of --json.
type shownProfile struct {
	Name           string `json:"name"`
	Active         bool   `json:"active"`
	URL            string `json:"url"`
	Host           string `json:"host"`
	Port           int    `json:"port"`
	Protocol       string `json:"protocol"`
	Username       string `json:"username"`
	Password       string `json:"password"`
	Token          string `json:"token"`
	SSLCertificate string `json:"ssl_certificate"`
	SSLTrustAll    bool   `json:"ssl_trust_all"`
	ServerData     string `json:"server_data"`
}

// profileFields are the fields that --json of profiles promises.
const profileFields = `  name, active (whether commands use it), url, host, port, protocol, username,
  password, token (masked, empty if there is none), ssl_certificate,
  ssl_trust_all, server_data`

func (a *app) showProfile(f *config.File, name string) (shownProfile, error) {
	p, ok, err := f.Profile(name)
	if err != nil {
		return shownProfile{}, err
	}
	if !ok {
		return shownProfile{}, noProfile(f, name)
	}
	p = p.WithDefaults()
	return shownProfile{
		Name: name, Active: name == a.activeProfile(f), URL: p.URL(),
		Host: p.Host, Port: p.Port, Protocol: p.Protocol, Username: p.Username,
		Password: mask(p.Password), Token: mask(p.Token),
		SSLCertificate: p.SSLCertificate, SSLTrustAll: p.SSLTrustAll, ServerData: p.ServerData,
	}, nil
}

// activeProfile returns the name of the profile that commands use, empty if there is none.
func (a *app) activeProfile(f *config.File) string {
	return cmp.Or(a.profile, a.env[environ.ProfileVar], f.Active())
}

const (
	// maskShown is the number of characters that a masked secret shows, to distinguish it from
	// others. maskLeast is the length from which on it shows them: the rest is too long to guess.
	maskShown = 4
	maskLeast = 24
)

// mask hides a secret. Of a long one it shows the last characters.
func mask(secret string) string {
	switch {
	case secret == "":
		return ""
	case len(secret) < maskLeast:
		return "********"
	}
	return "********" + secret[len(secret)-maskShown:]
}

// loadProfiles reads the profile file.
func (a *app) loadProfiles() (*config.File, error) {
	path, err := a.env.ConfigPath()
	if err != nil {
		return nil, err
	}
	return config.Load(path)
}

// changeProfiles changes the profile file.
func (a *app) changeProfiles(change func(*config.File) error) error {
	path, err := a.env.ConfigPath()
	if err != nil {
		return err
	}
	return config.Update(path, change)
}

func noProfile(f *config.File, name string) error {
	return runtime.Errorf(runtime.CodeNotFound, "there is no profile %q in %s", name, f.Path()).WithHint(profilesHint(f))
}

// profileName checks the name of a new profile. People also edit the file by hand, and other
// programs read it.
func profileName(name string) error {
	if err := runtime.ValidateName(name); err != nil {
		return clierror.Usagef("use 1 to 128 of A-Z a-z 0-9 - _ . without a dot or dash at the beginning", "the profile name %s is not valid", ui.Quote(name))
	}
	return nil
}

package main

import (
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
		Short:   "Say which servers there are, and which one commands talk to",
		Long: `Say which servers there are, and which one commands talk to.

A profile has the address of a server and a token for it. Profiles are in the file
~/.faaspot/fasconf.yaml, which the Python client reads, too; see
"fas help environment". "fas serve" writes one for itself.`,
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

// shownProfile is a profile as it is shown: names and meanings of its fields
// stay. Secrets are masked.
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

// profileFields is what every --json of profiles promises.
const profileFields = `  name, active (whether it is the one in use), url, host, port, protocol, username,
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

// activeProfile is the name of the profile that commands use, empty if none.
func (a *app) activeProfile(f *config.File) string {
	for _, name := range []string{a.profile, a.env[environ.ProfileVar]} {
		if name != "" {
			return name
		}
	}
	return f.Active()
}

const (
	// maskShown is how many characters at the end of a secret tell it from
	// others, and maskLeast is how long a secret is at least that shows them: the
	// rest is still beyond guessing.
	maskShown = 4
	maskLeast = 24
)

// mask shows that there is a secret, and which one of several if it is long.
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

// profileName checks the name of a new profile: it is written by hand, too, and
// read by other programs.
func profileName(name string) error {
	if err := runtime.ValidateName(name); err != nil {
		return clierror.Usagef("use 1 to 128 of A-Z a-z 0-9 - _ . and neither a dot nor a dash in front", "the profile name %s is not valid", ui.Quote(name))
	}
	return nil
}

package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/config"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/runtime"
)

// target is the server of a command, and the token for it.
type target struct {
	name    string // of the profile; empty without one
	path    string // of the profile file
	profile config.Profile
	token   string
}

// target returns the server of the command: the profile of --profile, of FAASPOT_PROFILE or the
// active one of the file, with the token of FAASPOT_TOKEN or of the profile. Without a profile it
// is the default address of `fas serve`.
func (a *app) target() (target, error) {
	path, err := a.env.ConfigPath()
	if err != nil {
		return target{}, err
	}
	file, err := config.Load(path)
	if err != nil {
		return target{}, err
	}
	s := target{name: cmp.Or(a.profile, a.env[environ.ProfileVar], file.Active()), path: path}
	if s.name != "" {
		p, ok, err := file.Profile(s.name)
		if err != nil {
			return target{}, err
		}
		if !ok {
			return target{}, clierror.Usagef(profilesHint(file), "there is no profile %q in %s", s.name, path)
		}
		s.profile = p
	}
	s.token = cmp.Or(a.env[environ.TokenVar], s.profile.Token)
	if cert := s.profile.SSLCertificate; cert != "" && !filepath.IsAbs(cert) {
		s.profile.SSLCertificate = filepath.Join(filepath.Dir(path), cert)
	}
	return s, nil
}

func profilesHint(file *config.File) string {
	names := file.Names()
	if len(names) == 0 {
		return "there are no profiles: `fas serve` writes one at its first start, `fas profiles create` creates one"
	}
	return "the profiles are " + strings.Join(names, ", ")
}

// requireToken returns the token, or an error that says how to get one.
func (s target) requireToken() (string, error) {
	if s.token != "" {
		return s.token, nil
	}
	e := runtime.Errorf(runtime.CodeUnauthenticated, "there is no token for %s", s.profile.URL())
	if s.name == "" {
		return "", e.WithHint("start a server on this machine with `fas serve`, which writes a profile to " + s.path +
			", or set " + environ.TokenVar)
	}
	return "", e.WithHint(fmt.Sprintf("set %s, or store a token in the profile with `fas profiles update %s -t -`", environ.TokenVar, s.name))
}

// connect returns a client for the server of the command.
func (a *app) connect() (*client.Client, error) {
	s, err := a.target()
	if err != nil {
		return nil, err
	}
	if _, err := s.requireToken(); err != nil {
		return nil, err
	}
	return a.client(s)
}

func (a *app) client(s target) (*client.Client, error) {
	trace := a.trace()
	if s.name != "" {
		trace(client.TraceRequests, fmt.Sprintf("* profile %s of %s", s.name, s.path))
	}
	return client.New(client.Options{
		URL:           s.profile.URL(),
		Token:         s.token,
		CACertificate: s.profile.SSLCertificate,
		TrustAll:      s.profile.SSLTrustAll,
		UserAgent:     "fas/" + version(),
		Trace:         trace,
	})
}

// trace returns the function that writes the trace of -v.
func (a *app) trace() func(client.TraceLevel, string) {
	var mu sync.Mutex
	return func(level client.TraceLevel, line string) {
		if int(level) > a.Verbosity {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(a.Err, line)
	}
}

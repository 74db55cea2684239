package main

import (
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

// target is where a command's requests go, and as whom.
type target struct {
	name    string // of the profile; empty if none is used
	path    string // of the profile file
	profile config.Profile
	token   string
}

// target finds out which server the command is for: the profile of --profile,
// FAASPOT_PROFILE or the file's choice, and a token of FAASPOT_TOKEN or the
// profile. Without any profile it is the default address of `fas serve`.
func (a *app) target() (target, error) {
	path, err := a.env.ConfigPath()
	if err != nil {
		return target{}, err
	}
	file, err := config.Load(path)
	if err != nil {
		return target{}, err
	}
	s := target{name: a.profile, path: path}
	if s.name == "" {
		s.name = a.env[environ.ProfileVar]
	}
	if s.name == "" {
		s.name = file.Active()
	}
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
	s.token = s.profile.Token
	if token := a.env[environ.TokenVar]; token != "" {
		s.token = token
	}
	if cert := s.profile.SSLCertificate; cert != "" && !filepath.IsAbs(cert) {
		s.profile.SSLCertificate = filepath.Join(filepath.Dir(path), cert)
	}
	return s, nil
}

func profilesHint(file *config.File) string {
	names := file.Names()
	if len(names) == 0 {
		return "it has none: `fas serve` writes one when it starts for the first time, `fas profiles create` makes one"
	}
	return "it has " + strings.Join(names, ", ")
}

// requireToken gives the token or says how to get one.
func (s target) requireToken() (string, error) {
	if s.token != "" {
		return s.token, nil
	}
	e := runtime.Errorf(runtime.CodeUnauthenticated, "there is no token for %s", s.profile.URL())
	if s.name == "" {
		return "", e.WithHint("start a server on this machine with `fas serve`, which writes a profile to " + s.path +
			", or set " + environ.TokenVar)
	}
	return "", e.WithHint(fmt.Sprintf("set %s, or give the profile its token with `fas profiles update %s -t -`", environ.TokenVar, s.name))
}

// connect makes a client for the server that the command is for.
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

// trace writes what -v asks for.
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

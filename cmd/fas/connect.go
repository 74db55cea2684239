package main

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/config"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// target is the server of a command, and the token for it.
type target struct {
	name    string // of the profile; empty without one
	path    string // of the profile file
	url     string // of the server
	profile config.Profile
	token   string
	source  string // where the token comes from, for messages
}

// target returns the server of the command, of the first of these that is given: --url, --profile,
// FAASPOT_URL, FAASPOT_PROFILE, the active profile of the file; else it is the default address of
// `fas serve`.
//
// The token is FAASPOT_TOKEN, else that of the profile. A token is never sent to another server than
// its own: that of a profile belongs to the URL of the profile, and FAASPOT_TOKEN, if FAASPOT_URL is
// set too, to that URL.
func (a *app) target() (target, error) {
	path, err := a.env.ConfigPath()
	if err != nil {
		return target{}, err
	}
	file, err := config.Load(path)
	if err != nil {
		return target{}, err
	}
	envURL, err := serverURL(a.env[environ.URLVar], environ.URLVar)
	if err != nil {
		return target{}, err
	}
	s := target{path: path}
	if s.url, err = serverURL(a.url, "--url"); err != nil {
		return target{}, err
	}
	if s.url == "" && a.profile == "" {
		s.url = envURL
	}
	if s.url == "" {
		s.name = a.activeProfile(file)
	} else {
		s.name = profileOf(file, s.url)
	}
	if s.name != "" {
		p, ok, err := file.Profile(s.name)
		if err != nil {
			return target{}, err
		}
		if !ok {
			return target{}, noProfile(file, s.name)
		}
		s.profile = p
	}
	s.url = cmp.Or(s.url, s.profile.URL())
	if token := a.env[environ.TokenVar]; token != "" && (envURL == "" || envURL == s.url) {
		s.token, s.source = token, environ.TokenVar
	} else if s.profile.Token != "" {
		s.token, s.source = s.profile.Token, fmt.Sprintf("the profile %s of %s", s.name, path)
	}
	if cert := s.profile.SSLCertificate; cert != "" && !filepath.IsAbs(cert) {
		s.profile.SSLCertificate = filepath.Join(filepath.Dir(path), cert)
	}
	return s, nil
}

// serverURL checks the URL of a server, and returns it in the form of [config.Profile.URL], without
// the default port and a slash at the end. A URL without a scheme is http.
func serverURL(text, from string) (string, error) {
	if text == "" {
		return "", nil
	}
	whole := text
	if !strings.Contains(text, "://") {
		whole = "http://" + text
	}
	u, err := url.Parse(whole)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", clierror.Usagef("give it as http://HOST:PORT or https://HOST", "%s: %s is not the URL of a server", from, ui.Quote(text))
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port) + strings.TrimSuffix(u.EscapedPath(), "/"), nil
}

// profileOf returns the name of the first profile whose server has a URL, empty if there is none.
func profileOf(file *config.File, url string) string {
	for _, name := range file.Names() {
		if p, ok, err := file.Profile(name); err == nil && ok && (p.Token != "" || p.Password != "") && strings.EqualFold(p.URL(), url) {
			return name
		}
	}
	return ""
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
	e := runtime.Errorf(runtime.CodeUnauthenticated, "there is no token for %s", s.url)
	if s.name == "" && s.url != (config.Profile{}).URL() {
		return "", e.WithHint(fmt.Sprintf("set %s and %s, or store both in a profile with `fas profiles create`", environ.URLVar, environ.TokenVar))
	}
	if s.name == "" {
		return "", e.WithHint("start a server on this machine with `fas serve`, which writes a profile to " + s.path +
			", or set " + environ.TokenVar)
	}
	return "", e.WithHint(fmt.Sprintf("set %s, or store a token in the profile with `fas profiles update %s -t -`", environ.TokenVar, s.name))
}

// hasPassword reports whether the profile has a user name and a password, which are sent in place of a
// token to the URL of the profile.
func (s target) hasPassword() bool {
	return s.token == "" && s.profile.Username != "" && s.profile.Password != "" && strings.EqualFold(s.url, s.profile.URL())
}

// connect returns a client for the server of the command.
func (a *app) connect() (*client.Client, error) {
	s, err := a.target()
	if err != nil {
		return nil, err
	}
	if !s.hasPassword() {
		if _, err := s.requireToken(); err != nil {
			return nil, err
		}
	}
	a.client, err = a.clientOf(s)
	return a.client, err
}

func (a *app) clientOf(s target) (*client.Client, error) {
	trace := a.trace()
	if s.name != "" {
		trace(client.TraceRequests, fmt.Sprintf("* profile %s of %s", s.name, s.path))
	}
	username, password := "", ""
	if s.hasPassword() {
		username, password = s.profile.Username, s.profile.Password
	}
	return client.New(client.Options{
		URL:           s.url,
		Token:         s.token,
		Username:      username,
		Password:      password,
		TokenSource:   s.source,
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

package main

import (
	"context"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/config"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

// profileFlags are the flags that set fields of a profile.
type profileFlags struct {
	host, protocol, username, password, token, certificate string

	port     int
	trustAll bool

	fromURL bool // host, port and protocol are those of the global flag --url
}

func (p *profileFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.host, "host", "", "`HOST` name or address of the server (default "+config.DefaultHost+")")
	f.IntVar(&p.port, "port", 0, "`PORT` of the server (default 8080, with https 443)")
	f.StringVar(&p.protocol, "protocol", "", "`PROTOCOL`, http or https (default http)")
	f.StringVarP(&p.token, "token", "t", "", "`TOKEN`, or - to read it from the standard input, where other users cannot see it")
	f.StringVarP(&p.username, "username", "u", "", "user `NAME`, sent with the password if there is no token")
	f.StringVarP(&p.password, "password", "p", "", "`PASSWORD` of the user; - is the standard input")
	f.StringVar(&p.certificate, "ssl-certificate", "", "PEM `FILE` with the certificate authorities to trust, instead of the system's")
	f.BoolVar(&p.trustAll, "ssl-trust-all", false, "do not verify the server's certificate")
	_ = cmd.RegisterFlagCompletionFunc("protocol", cobra.FixedCompletions([]string{"http", "https"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.MarkFlagFilename("ssl-certificate", "pem", "crt")
}

// read checks the flags and reads secrets from the standard input.
func (p *profileFlags) read(ctx context.Context, a *app, cmd *cobra.Command) error {
	given := cmd.Flags().Changed
	if given("url") {
		if err := p.readURL(a.url, cmd); err != nil {
			return err
		}
	}
	if strings.Contains(p.host, "/") {
		return clierror.Usagef("give only the name or address, and use --protocol and --port", "the --host %s is not a host", ui.Quote(p.host))
	}
	if _, _, err := net.SplitHostPort(p.host); err == nil {
		return clierror.Usagef("give the port with --port", "the --host %s has a port", ui.Quote(p.host))
	}
	if given("port") && (p.port < 1 || p.port >= 1<<16) {
		return clierror.Usagef("give a number from 1 to 65535", "the --port %d is out of bounds", p.port)
	}
	p.protocol = strings.ToLower(p.protocol)
	if p.protocol != "" && p.protocol != "http" && p.protocol != "https" {
		return clierror.Usagef("give http or https", "the --protocol %s is not known", ui.Quote(p.protocol))
	}
	if p.certificate != "" {
		// Paths in the profile file are relative to that file.
		path, err := filepath.Abs(p.certificate)
		if err != nil {
			return err
		}
		if _, err := os.Stat(path); err != nil {
			return clierror.Usagef("", "cannot read the --ssl-certificate: %v", err)
		}
		p.certificate = path
	}
	if p.token == "-" && p.password == "-" {
		return clierror.Usagef("give one of them in another way", "token and password cannot both come from the standard input")
	}
	var err error
	if p.token == "-" {
		if p.token, err = a.ReadSecret(ctx, "token"); err != nil {
			return err
		}
	}
	if p.password == "-" {
		if p.password, err = a.ReadSecret(ctx, "password"); err != nil {
			return err
		}
	}
	if strings.ContainsFunc(p.token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return clierror.Usagef("give the token without quotes or spaces around it", "the token has invalid characters")
	}
	return nil
}

// readURL sets host, port and protocol from the global flag --url.
func (p *profileFlags) readURL(text string, cmd *cobra.Command) error {
	for _, name := range []string{"host", "port", "protocol"} {
		if err := exclusive(cmd, "url", name); err != nil {
			return err
		}
	}
	whole, err := serverURL(text, "--url")
	if err != nil {
		return err
	}
	u, err := url.Parse(whole)
	if err != nil || u.Path != "" || whole == "" {
		return clierror.Usagef("give it as http://HOST:PORT or https://HOST", "--url: %s is not the URL of a server without a path, as profiles have it", ui.Quote(text))
	}
	p.host, p.protocol, p.fromURL = u.Hostname(), u.Scheme, true
	p.port, err = strconv.Atoi(u.Port())
	return err
}

// profileFlagNames are the flags that change a profile.
var profileFlagNames = []string{"url", "host", "port", "protocol", "token", "username", "password", "ssl-certificate", "ssl-trust-all"}

// given reports whether any of the flags is set.
func (p *profileFlags) given(cmd *cobra.Command) bool {
	return slices.ContainsFunc(profileFlagNames, cmd.Flags().Changed)
}

// apply sets the fields whose flags are set.
func (p *profileFlags) apply(cmd *cobra.Command, profile *config.Profile) {
	given := func(name string) bool {
		return cmd.Flags().Changed(name) || p.fromURL && (name == "host" || name == "port" || name == "protocol")
	}
	for name, pair := range map[string]struct{ to, from *string }{
		"host":            {&profile.Host, &p.host},
		"protocol":        {&profile.Protocol, &p.protocol},
		"username":        {&profile.Username, &p.username},
		"password":        {&profile.Password, &p.password},
		"token":           {&profile.Token, &p.token},
		"ssl-certificate": {&profile.SSLCertificate, &p.certificate},
	} {
		if given(name) {
			*pair.to = *pair.from
		}
	}
	if given("port") {
		profile.Port = p.port
	}
	if given("ssl-trust-all") {
		profile.SSLTrustAll = p.trustAll
	}
	if given("protocol") {
		profile.SSLEnabled = false // it would override the protocol
	}
}

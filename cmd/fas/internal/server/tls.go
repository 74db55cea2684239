package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
)

const (
	// certificateEvery is the time between two looks at the files of a certificate.
	certificateEvery = 10 * time.Second
	// acmeName is the name of the folder with the certificates of ACME in the data folder.
	acmeName = "acme"
)

// encrypts reports whether requests are encrypted.
func (o Options) encrypts() bool { return o.TLSCert != "" || len(o.ACMEDomains) > 0 }

// checkTLS returns what is wrong with the options of TLS.
func (o Options) checkTLS() error {
	switch {
	case (o.TLSCert == "") != (o.TLSKey == ""):
		return clierror.Usagef("give both, or none", "--tls-cert and --tls-key belong together")
	case o.TLSCert != "" && len(o.ACMEDomains) > 0:
		return clierror.Usagef("leave one of them out", "--tls-cert and --acme-domain exclude each other")
	case len(o.ACMEDomains) == 0 && (o.ACMEEmail != "" || o.ACMEDirectory != ""):
		return clierror.Usagef("add --acme-domain", "--acme-email and --acme-directory have no effect without --acme-domain")
	case o.ACMEDirectory != "" && !strings.HasPrefix(o.ACMEDirectory, "https://"):
		return clierror.Usagef("give an https URL", "the --acme-directory %q is not one", o.ACMEDirectory)
	case o.TLSCert != "":
		_, err := loadCertificate(o.TLSCert, o.TLSKey)
		return err
	}
	for _, domain := range o.ACMEDomains {
		if !strings.Contains(domain, ".") || strings.ContainsAny(domain, "/:* ") {
			return clierror.Usagef("give the name alone, such as faas.example.com", "the --acme-domain %q is not the name of a host", domain)
		}
	}
	return nil
}

// secure returns how connections are encrypted, nil if they are not.
func (s *server) secure() (*tls.Config, error) {
	switch {
	case s.TLSCert != "":
		c := &certificate{cert: s.TLSCert, key: s.TLSKey, log: s.log}
		if err := c.load(); err != nil {
			return nil, err
		}
		s.certificate = c
		return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: c.get}, nil
	case len(s.ACMEDomains) > 0:
		m := &autocert.Manager{
			Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(filepath.Join(s.Data, acmeName)),
			HostPolicy: autocert.HostWhitelist(s.ACMEDomains...), Email: s.ACMEEmail,
			Client: &acme.Client{DirectoryURL: s.ACMEDirectory, UserAgent: "faaspot/" + s.Version},
		}
		return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1", acme.ALPNProto}, GetCertificate: logFailures(m.GetCertificate, s.log)}, nil
	}
	return nil, nil
}

// mistakesOfClients begin the errors of the library about names that are not the server's, and the one while
// it waits to ask the authority again.
var mistakesOfClients = []string{"acme/autocert: host", "acme/autocert: missing server name", "acme/autocert: server name", "acme/autocert: missing certificate"}

// logFailures logs why the authority gave no certificate, at most once a minute.
func logFailures(get func(*tls.ClientHelloInfo) (*tls.Certificate, error), log *slog.Logger) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	var mu sync.Mutex
	var logged time.Time
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		c, err := get(hello)
		if err != nil && !slices.ContainsFunc(mistakesOfClients, func(text string) bool { return strings.HasPrefix(err.Error(), text) }) {
			mu.Lock()
			defer mu.Unlock()
			if time.Since(logged) > time.Minute {
				logged = time.Now()
				log.Error("cannot get a certificate from the authority", "error", err,
					"hint", "port 443 of the domain must lead to this server, and the server must reach the authority")
			}
		}
		return c, err
	}
}

// certificate is the certificate in two files, which may change.
type certificate struct {
	cert, key string // paths
	log       *slog.Logger
	current   atomic.Pointer[tls.Certificate]

	mu    sync.Mutex // held by load
	state string     // of the files, when they were read last
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}

// load reads the files.
func (c *certificate) load() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := fileState(c.cert) + fileState(c.key)
	next, err := loadCertificate(c.cert, c.key)
	c.state = state
	if err == nil {
		c.current.Store(next)
	}
	return err
}

// changed reports whether the files are others than load has read.
func (c *certificate) changed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fileState(c.cert)+fileState(c.key) != c.state
}

// reload reads the files again. If they are wrong, such as while one of them is replaced, the server keeps
// the certificate that it has.
func (c *certificate) reload() {
	if err := c.load(); err != nil {
		c.log.Error("the certificate has changed, but cannot be used; the server keeps the one before", "error", err)
		return
	}
	c.log.Info("loaded the certificate that has changed", "file", c.cert, "expires", c.current.Load().Leaf.NotAfter.UTC().Format(time.RFC3339))
}

// watch reads the files again when they have changed, until ctx ends.
func (c *certificate) watch(ctx context.Context) {
	ticker := time.NewTicker(certificateEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if c.changed() {
				c.reload()
			}
		case <-ctx.Done():
			return
		}
	}
}

func fileState(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "none"
	}
	return fmt.Sprintf("%d %s ", info.Size(), info.ModTime())
}

func loadCertificate(cert, key string) (*tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(cert, key)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return nil, clierror.Usagef("give files that the user of the server can read", "cannot read the certificate: %v", err)
	case err != nil:
		return nil, clierror.Usagef("give PEM files: the certificate of the server first, and its private key",
			"the certificate %s with the key %s cannot be used: %v", cert, key, err)
	}
	return &c, nil
}

// reachedAt returns the place at which clients on this machine reach the server with a certificate: its
// address, or else the first name in the certificate.
func (s *server) reachedAt(at place) place {
	at.secure = s.encrypts()
	switch {
	case len(s.ACMEDomains) > 0:
		at.host = s.ACMEDomains[0]
	case s.certificate != nil:
		leaf := s.certificate.current.Load().Leaf
		if leaf.VerifyHostname(at.host) == nil {
			return at
		}
		for _, name := range leaf.DNSNames {
			if !strings.Contains(name, "*") {
				at.host = name
				break
			}
		}
	}
	return at
}

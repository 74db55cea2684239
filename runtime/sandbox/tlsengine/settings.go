package tlsengine

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// Settings are what a program sets for one connection.
type Settings struct {
	ServerSide     bool         `json:"server_side"`
	ServerHostname string       `json:"server_hostname"` // a name or an address; empty: none
	CheckHostname  bool         `json:"check_hostname"`
	VerifyMode     int          `json:"verify_mode"`  // as CPython numbers it
	VerifyFlags    int64        `json:"verify_flags"` // X509_V_FLAG_*
	HostFlags      int64        `json:"host_flags"`   // X509_CHECK_FLAG_*
	MinimumVersion int          `json:"minimum_version"`
	MaximumVersion int          `json:"maximum_version"`
	Options        int64        `json:"options"` // SSL_OP_*
	ALPN           []string     `json:"alpn"`
	Ciphers        string       `json:"ciphers"` // empty: the default ones
	DefaultRoots   bool         `json:"default_roots"`
	Roots          []string     `json:"roots"` // sums of Roots
	Certificate    *Certificate `json:"certificate"`
	Session        int32        `json:"session"` // number of a session; 0: none
}

// Certificate is a certificate chain with its private key.
type Certificate struct {
	Chain    string  `json:"chain"` // PEM; the end entity first
	Key      string  `json:"key"`   // PEM
	Password *string `json:"password"`
}

// The values of VerifyMode.
const (
	verifyNone = iota
	verifyOptional
	verifyRequired
)

// Flags of OpenSSL.
const (
	verifyCRLLeaf      = 0x4
	verifyStrict       = 0x20
	verifyPartialChain = 0x80000

	hostNeverSubject = 0x20
	hostNoWildcards  = 0x2

	noTicket = 1 << 14
	noTLS12  = 1 << 27
	noTLS13  = 1 << 29
)

// Limits of settings.
const (
	// MaxInputText is the size of the largest text that a program passes for settings, keys and
	// certificates, in bytes.
	MaxInputText = 1 << 20

	maxNameLength = 1024
	maxProtocols  = 256
	maxRootSets   = 64
)

// ErrSettings is the error for settings that cannot be read.
var ErrSettings = errors.New("tlsengine: the settings are invalid")

// ParseSettings parses the settings of a connection. Unknown fields are refused. The error is
// [ErrSettings].
func ParseSettings(text []byte) (*Settings, error) {
	s := &Settings{MinimumVersion: minimumSupported, MaximumVersion: maximumSupported}
	if !decode(text, s) {
		return nil, ErrSettings
	}
	if len(s.ServerHostname) > maxNameLength || len(s.ALPN) > maxProtocols || len(s.Roots) > maxRootSets || s.VerifyMode < verifyNone || s.VerifyMode > verifyRequired {
		return nil, ErrSettings
	}
	for _, p := range s.ALPN {
		if p == "" || len(p) > 255 {
			return nil, ErrSettings
		}
	}
	return s, nil
}

// decode reads one JSON value without unknown fields, and reports whether it could.
func decode(text []byte, v any) bool {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if d.Decode(v) != nil {
		return false
	}
	_, err := d.Token()
	return errors.Is(err, io.EOF)
}

// Options are what an engine gets from its host.
type Options struct {
	Roots    func(sum string) *Roots // nil: unknown
	Default  func() *Roots
	Sessions *Sessions
}

// config is what an engine needs of its settings.
type config struct {
	tls     *tls.Config
	server  bool
	refused *Failure // what the handshake fails with at once
	size    int64    // bytes of memory
}

// newConfig returns the configuration of an engine.
func newConfig(s *Settings, o Options, e *Engine) (*config, error) {
	c := &config{server: s.ServerSide, tls: &tls.Config{
		InsecureSkipVerify:          true, // VerifyConnection verifies
		DynamicRecordSizingDisabled: true,
		SessionTicketsDisabled:      s.Options&noTicket != 0,
		NextProtos:                  s.ALPN,
	}}
	for _, p := range s.ALPN {
		c.size += int64(len(p)) + 16
	}
	c.setVersions(s)
	suites, err := parseCiphers(s.Ciphers)
	if err != nil {
		return nil, err
	}
	c.tls.CipherSuites = suites
	if s.Certificate != nil {
		pair, err := Pair(s.Certificate)
		if err != nil {
			return nil, err
		}
		c.tls.Certificates = []tls.Certificate{*pair}
		c.size += 4*int64(len(s.Certificate.Chain)+len(s.Certificate.Key)) + certificateSize(pair.Leaf)
	}
	v, err := newVerifier(s, o)
	if err != nil {
		return nil, err
	}
	c.tls.VerifyConnection = func(state tls.ConnectionState) error { return e.verify(v, state) }
	if s.ServerSide {
		c.setServer(s, e)
	} else {
		c.setClient(s, o, e)
	}
	return c, nil
}

// setClient sets what clients alone have.
func (c *config) setClient(s *Settings, o Options, e *Engine) {
	if _, err := netip.ParseAddr(s.ServerHostname); err != nil { // an address is not sent
		c.tls.ServerName = s.ServerHostname
	}
	if s.CheckHostname && s.ServerHostname == "" {
		c.refused = otherFailure("check_hostname requires server_hostname")
	}
	if len(c.tls.Certificates) > 0 {
		pair := &c.tls.Certificates[0]
		// The certificate is sent whatever authorities the server names, as with OpenSSL.
		c.tls.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
	}
	if o.Sessions != nil && !c.tls.SessionTicketsDisabled {
		c.tls.ClientSessionCache = &sessionCache{engine: e, sessions: o.Sessions, offered: o.Sessions.find(s.Session)}
	}
}

// setServer sets what servers alone have.
func (c *config) setServer(s *Settings, e *Engine) {
	switch s.VerifyMode {
	case verifyOptional:
		c.tls.ClientAuth = tls.RequestClientCert
	case verifyRequired:
		c.tls.ClientAuth = tls.RequireAnyClientCert
	}
	base := c.tls
	base.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		e.greeted = true
		e.shared = slices.DeleteFunc(slices.Clone(hello.CipherSuites), func(id uint16) bool { return !hasCipher(base, id) })
		if slices.ContainsFunc(hello.SupportedProtos, func(p string) bool { return slices.Contains(base.NextProtos, p) }) {
			return nil, nil
		}
		// OpenSSL negotiates no protocol if none is shared. crypto/tls fails.
		without := base.Clone()
		without.NextProtos = nil
		return without, nil
	}
}

// The versions that CPython uses for the lowest and the highest that there is.
const (
	minimumSupported = -2
	maximumSupported = -1
)

// setVersions sets the range of versions. There is nothing below TLS 1.2.
func (c *config) setVersions(s *Settings) {
	has := func(version int, option int64) bool {
		low := s.MinimumVersion == minimumSupported || s.MinimumVersion == maximumSupported && version == tls.VersionTLS13 || s.MinimumVersion >= 0 && version >= s.MinimumVersion
		high := s.MaximumVersion == maximumSupported || s.MaximumVersion >= 0 && version <= s.MaximumVersion
		return low && high && s.Options&option == 0
	}
	c.tls.MinVersion, c.tls.MaxVersion = tls.VersionTLS12, tls.VersionTLS13
	has12, has13 := has(tls.VersionTLS12, noTLS12), has(tls.VersionTLS13, noTLS13)
	switch {
	case !has12 && !has13:
		c.refused = newFailure("NO_PROTOCOLS_AVAILABLE")
	case !has12:
		c.tls.MinVersion = tls.VersionTLS13
	case !has13:
		c.tls.MaxVersion = tls.VersionTLS12
	}
}

// hasCipher reports whether a configuration has a cipher suite.
func hasCipher(c *tls.Config, id uint16) bool {
	if isTLS13(id) {
		return c.MaxVersion >= tls.VersionTLS13
	}
	return c.MinVersion <= tls.VersionTLS12 && slices.Contains(c.CipherSuites, id)
}

// asciiLower returns the text in lower case, and without a dot at its end.
func asciiLower(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

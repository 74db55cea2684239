package config

import (
	"net"
	"strconv"
	"strings"
)

// Defaults of a profile's fields.
const (
	DefaultHost     = "127.0.0.1"
	DefaultProtocol = "http"
	DefaultPort     = 8080
	DefaultTLSPort  = 443 // with https
)

// Profile describes how to reach a server. A field that the file does not have is zero.
type Profile struct {
	Host           string
	Protocol       string // http or https
	Port           int
	Username       string
	Password       string
	Token          string
	SSLCertificate string // path of a PEM file with the certificate authorities to trust
	SSLTrustAll    bool   // do not verify the server's certificate
	SSLEnabled     bool   // https, regardless of Protocol

	// ServerData is the data folder of the `fas serve` that wrote this profile and updates its
	// address and token. It is empty in profiles of users.
	ServerData string
}

// WithDefaults returns the profile with defaults for host, protocol and port.
func (p Profile) WithDefaults() Profile {
	p.Protocol = strings.ToLower(p.Protocol)
	if p.Protocol == "" {
		p.Protocol = DefaultProtocol
	}
	if p.SSLEnabled {
		p.Protocol = "https"
	}
	if p.Host == "" {
		p.Host = DefaultHost
	}
	if p.Port == 0 {
		p.Port = DefaultPort
		if p.Protocol == "https" {
			p.Port = DefaultTLSPort
		}
	}
	return p
}

// URL returns the URL of the server, with defaults and without a slash at the end:
// http://127.0.0.1:8080.
func (p Profile) URL() string {
	p = p.WithDefaults()
	return p.Protocol + "://" + net.JoinHostPort(strings.Trim(p.Host, "[]"), strconv.Itoa(p.Port))
}

// field maps a key of the file to a field of Profile.
type field struct {
	key    string
	always bool // written even when zero
	get    func(*Profile) any
	set    func(*Profile, any)
	zero   any
}

func text(key string, always bool, at func(*Profile) *string) field {
	return field{
		key: key, always: always, zero: "",
		get: func(p *Profile) any { return *at(p) },
		set: func(p *Profile, v any) { *at(p) = v.(string) },
	}
}

func boolean(key string, at func(*Profile) *bool) field {
	return field{
		key: key, zero: false,
		get: func(p *Profile) any { return *at(p) },
		set: func(p *Profile, v any) { *at(p) = v.(bool) },
	}
}

// fields is the schema of a profile, in the order of a new one.
var fields = []field{
	text("host", true, func(p *Profile) *string { return &p.Host }),
	text("protocol", true, func(p *Profile) *string { return &p.Protocol }),
	{
		key: "port", always: true, zero: 0,
		get: func(p *Profile) any { return p.Port },
		set: func(p *Profile, v any) { p.Port = v.(int) },
	},
	text("username", false, func(p *Profile) *string { return &p.Username }),
	text("password", false, func(p *Profile) *string { return &p.Password }),
	text("token", true, func(p *Profile) *string { return &p.Token }),
	text("ssl_certificate", false, func(p *Profile) *string { return &p.SSLCertificate }),
	boolean("ssl_trust_all", func(p *Profile) *bool { return &p.SSLTrustAll }),
	boolean("ssl_enabled", func(p *Profile) *bool { return &p.SSLEnabled }),
	text("server_data", false, func(p *Profile) *string { return &p.ServerData }),
}

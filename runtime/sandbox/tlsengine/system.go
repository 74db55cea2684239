package tlsengine

import (
	"encoding/pem"
	"os"
	"sync"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// rootFiles are where systems have their trust anchors, as crypto/x509 looks for them.
var rootFiles = []string{
	"/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Arch
	"/etc/pki/tls/certs/ca-bundle.crt",   // Fedora, RHEL
	"/etc/ssl/ca-bundle.pem",             // openSUSE
	"/etc/pki/tls/cacert.pem",            // OpenELEC
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/ssl/cert.pem", // Alpine, macOS, BSD
}

// systemRoots returns the trust anchors of the machine: those of the file that SSL_CERT_FILE names, or
// of the system. A machine without any has those of Mozilla. If the named file has none that can be
// read, there are none: nothing is verified.
var systemRoots = sync.OnceValue(func() *Roots { return readRoots(os.Getenv("SSL_CERT_FILE"), rootFiles) })

// SystemPEM returns the trust anchors of the machine as PEM: the certificates alone, whatever else
// their file has. Programs that load it get the same Roots as by default. The caller must not change it.
func SystemPEM() []byte { return systemPEM() }

var systemPEM = sync.OnceValue(func() []byte { return systemRoots().encode() })

func readRoots(named string, files []string) *Roots {
	if named != "" {
		files = []string{named}
	}
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		if r, err := ParseRoots(source, nil); err == nil && len(r.anchors) > 0 {
			r.sum = Sum(r.encode())
			return r
		}
	}
	if named != "" {
		return &Roots{sum: Sum(nil)}
	}
	return mozillaRoots()
}

// mozillaRoots returns the roots that Mozilla trusts, with its constraints.
func mozillaRoots() *Roots {
	r := &Roots{}
	for root := range bundle.Roots() {
		r.add(root.Certificate, root.Constraint)
	}
	r.sum = Sum(r.encode())
	return r
}

// encode returns the certificates as PEM.
func (r *Roots) encode() []byte {
	var b []byte
	for _, a := range r.anchors {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Raw})...)
	}
	return b
}

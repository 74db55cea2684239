package tlsengine

import (
	"bytes"
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

// rootSource are roots with the PEM that they were read from.
type rootSource struct {
	pem   []byte
	roots *Roots
}

// systemRoots returns the trust anchors of the machine: those of the file that SSL_CERT_FILE names, or
// of the system. A machine without any has those of Mozilla.
var systemRoots = sync.OnceValue(func() rootSource { return readRoots(os.Getenv("SSL_CERT_FILE"), rootFiles) })

// SystemPEM returns the trust anchors of the machine as PEM. The caller must not change it.
func SystemPEM() []byte { return systemRoots().pem }

func readRoots(named string, files []string) rootSource {
	if named != "" {
		files = []string{named}
	}
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		if roots, err := ParseRoots(source); err == nil && len(roots.anchors) > 0 {
			return rootSource{source, roots}
		}
	}
	return mozillaRoots()
}

// mozillaRoots returns the roots that Mozilla trusts, with its constraints.
func mozillaRoots() rootSource {
	var b bytes.Buffer
	r := &Roots{}
	for root := range bundle.Roots() {
		r.add(root.Certificate, root.Constraint)
		if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			panic(err) // a buffer takes everything
		}
	}
	parsed, err := ParseRoots(b.Bytes())
	if err != nil {
		panic(err) // a constant of the program
	}
	r.sum = parsed.sum
	return rootSource{b.Bytes(), r}
}

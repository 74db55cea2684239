package key

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// minBytes and maxBytes bound the length of a secret, in bytes. 32 random bytes as hexadecimal
	// digits are 64.
	minBytes, maxBytes = 32, 4096
	// othersMode is the access to the file of a secret that only its owner may have.
	othersMode fs.FileMode = 0o077
	// groupMode is the access to a file of root's that a group may have: a volume has no other way to give a file to a process.
	groupMode fs.FileMode = 0o040
	// name is the only name in the certificates. A process that has the secret may act as any process
	// of the cluster, so that host names would add no security.
	name = "cluster.fas.internal"
	// purpose separates this use of the secret from others.
	purpose = "faaspot cluster authority 1"
)

// born and expires bound the validity of all certificates. They do not depend on the clock: every
// process must derive the same authority.
var (
	born    = time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)
	expires = time.Date(2120, time.January, 1, 0, 0, 0, 0, time.UTC)
)

// maxSecrets is the number of secrets that a key may have.
const maxSecrets = 2

// emptyLines separate the secrets of a key.
var emptyLines = regexp.MustCompile(`\n([ \t\r]*\n)+`)

// Key is the secret of a cluster. While that is being replaced, a key has two secrets: the process shows that it has the
// first one, and accepts processes that have either. The zero Key has none.
type Key struct{ secrets [][]byte }

// Read reads the secret, or two with an empty line between them, from a file. White space at their ends does not count.
func Read(path string) (Key, error) {
	text, mode, owner, err := read(path)
	if err != nil {
		return Key{}, runtime.Errorf(runtime.CodeInvalidArgument, "cannot read the key of the cluster: %v", err).
			WithHint("make a file with `openssl rand -hex 32`, and give it to all processes of the cluster")
	}
	if exposed(mode, owner, os.Geteuid()) {
		return Key{}, runtime.Errorf(runtime.CodeInvalidArgument, "users other than the owner can read the key of the cluster: %s has the mode %04o", path, mode).
			WithHint("make the user of this process its owner, and remove the access of others: chmod 600 " + path)
	}
	k, err := New(text)
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// read returns the first bytes of a file, more than the longest secret has, its mode and its owner.
func read(path string) (text []byte, mode fs.FileMode, owner int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, 0, err
	}
	text, err = io.ReadAll(io.LimitReader(f, 2*maxSecrets*maxBytes))
	return text, info.Mode().Perm(), ownerOf(info), err
}

// exposed reports whether users may read or change a file who should not.
func exposed(mode fs.FileMode, owner, self int) bool {
	others := othersMode
	if owner == 0 && self != 0 {
		others &^= groupMode
	}
	return mode&others != 0
}

// New returns the key with a secret, or two with an empty line between them, without the white space at their ends.
func New(text []byte) (k Key, err error) {
	all := emptyLines.Split(string(bytes.TrimSpace(text)), maxSecrets+1)
	if len(all) > maxSecrets {
		return Key{}, runtime.Errorf(runtime.CodeInvalidArgument, "the key of the cluster has more than %d parts with empty lines between them", maxSecrets).
			WithHint("leave the one that is used, and the one that replaces it")
	}
	for i, secret := range all {
		secret = strings.TrimSpace(secret)
		what := "the key of the cluster"
		if len(all) > 1 {
			what = fmt.Sprintf("part %d of the key of the cluster", i+1)
		}
		if n := len(secret); n < minBytes || n > maxBytes {
			return Key{}, runtime.Errorf(runtime.CodeInvalidArgument, "%s has %d bytes, not %d to %d", what, n, minBytes, maxBytes).
				WithHint("make one with `openssl rand -hex 32`; an empty line ends a part")
		}
		if i > 0 && secret == all[0] {
			return Key{}, runtime.Errorf(runtime.CodeInvalidArgument, "both parts of the key of the cluster are the same").
				WithHint("leave the one that is used, and the one that replaces it")
		}
		all[i] = secret
		k.secrets = append(k.secrets, []byte(secret))
	}
	return k, nil
}

// IsZero reports whether there is no secret.
func (k Key) IsZero() bool { return k.secrets == nil }

// authority is what signs the certificates of the processes that have a secret. All of them derive the same one.
type authority struct {
	*x509.Certificate
	signer ed25519.PrivateKey
}

func newAuthority(secret []byte) (a authority, err error) {
	seed, err := hkdf.Key(sha256.New, secret, nil, purpose, ed25519.SeedSize)
	if err != nil {
		return a, fmt.Errorf("derive the key of the authority: %w", err)
	}
	a.signer = ed25519.NewKeyFromSeed(seed)
	// The authority must be the same in all processes: its signature is deterministic, and so is the rest.
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "faaspot cluster"}, NotBefore: born, NotAfter: expires,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(nil, template, template, a.signer.Public(), a.signer)
	if err == nil {
		a.Certificate, err = x509.ParseCertificate(der)
	}
	if err != nil {
		return a, fmt.Errorf("make the authority of the cluster: %w", err)
	}
	return a, nil
}

// TLS returns a configuration for both sides of a connection between processes of the cluster. Each
// side has a certificate of its own and requires one of the other.
func (k Key) TLS() (*tls.Config, error) {
	trusted := x509.NewCertPool()
	var own authority // of the first secret
	for i, secret := range k.secrets {
		a, err := newAuthority(secret)
		if err != nil {
			return nil, err
		}
		trusted.AddCert(a.Certificate)
		if i == 0 {
			own = a
		}
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("make a certificate of the cluster: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make a certificate of the cluster: %w", err)
	}
	leaf, err := x509.CreateCertificate(nil, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: born, NotAfter: expires,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, own.Certificate, public, own.signer)
	if err != nil {
		return nil, fmt.Errorf("make a certificate of the cluster: %w", err)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf}, PrivateKey: private}},
		ServerName:   name,
		RootCAs:      trusted,
		ClientCAs:    trusted,
		ClientAuth:   tls.RequireAndVerifyClientCert,
	}, nil
}

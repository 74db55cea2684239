package tlsengine

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"

	"github.com/youmark/pkcs8"
)

const (
	// maxKey is the size of the largest private key, in bytes of DER: RSA with 8,192 bits has some
	// 4,700. Checking a larger one takes long.
	maxKey = 6 << 10
	// maxChain is the number of certificates of the longest chain that a program sends.
	maxChain = 64
)

// of returns the failure with another library of OpenSSL.
func (f *Failure) of(library string) *Failure {
	f.Library = library
	return f
}

// pemFailure is the failure for PEM without what is looked for, as CPython reports it.
func pemFailure() *Failure { return &Failure{Library: "SSL", Text: "PEM lib"} }

// Pair returns a certificate chain with its key. The error is a [*Failure].
func Pair(c *Certificate) (*tls.Certificate, error) {
	pair := &tls.Certificate{}
	text := []byte(c.Chain)
	for block := nextBlock(&text, isCertificate); block != nil; block = nextBlock(&text, isCertificate) {
		if pair.Certificate = append(pair.Certificate, block.Bytes); len(pair.Certificate) > maxChain || len(block.Bytes) > maxCertificate {
			return nil, newFailure("EXCESSIVE_MESSAGE_SIZE")
		}
	}
	if len(pair.Certificate) == 0 {
		return nil, pemFailure()
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, pemFailure()
	}
	key, err := parseKey([]byte(c.Key), c.Password)
	if err != nil {
		return nil, err
	}
	if public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(leaf.PublicKey) {
		return nil, mismatch(key, leaf)
	}
	if isWeak(leaf) {
		return nil, newFailure("EE_KEY_TOO_SMALL")
	}
	if rsaBits(leaf) > maxRSABits {
		return nil, newFailure("MODULUS_TOO_LARGE").of("RSA")
	}
	pair.PrivateKey, pair.Leaf = key, leaf
	return pair, nil
}

// CheckPair checks that the key of a [Certificate], as JSON, is that of its chain. The error is a
// [*Failure] or [ErrSettings].
func CheckPair(text []byte) error {
	var c Certificate
	if !decode(text, &c) {
		return ErrSettings
	}
	_, err := Pair(&c)
	return err
}

// mismatch returns the failure for a key that is not the certificate's.
func mismatch(key crypto.Signer, leaf *x509.Certificate) *Failure {
	kind := func(k any) int {
		switch k.(type) {
		case *rsa.PublicKey:
			return 1
		case *ecdsa.PublicKey:
			return 2
		case ed25519.PublicKey:
			return 3
		}
		return 0
	}
	if kind(key.Public()) != kind(leaf.PublicKey) {
		return newFailure("KEY_TYPE_MISMATCH").of("X509")
	}
	return newFailure("KEY_VALUES_MISMATCH").of("X509")
}

// isCertificate and isKey report whether a PEM block of a type is a certificate, or a private key.
func isCertificate(kind string) bool { return kind == "CERTIFICATE" || kind == "X509 CERTIFICATE" }

func isKey(kind string) bool { return kind == "PRIVATE KEY" || strings.HasSuffix(kind, " PRIVATE KEY") }

// nextBlock returns the next block of PEM of a type, or nil, and removes the text up to its end.
func nextBlock(text *[]byte, is func(kind string) bool) (block *pem.Block) {
	for {
		if block, *text = pem.Decode(*text); block == nil || is(block.Type) {
			return block
		}
	}
}

// parseKey returns the first private key of PEM.
func parseKey(text []byte, password *string) (crypto.Signer, error) {
	block := nextBlock(&text, isKey)
	if block == nil || len(block.Bytes) > maxKey {
		return nil, pemFailure()
	}
	key, err := parseBlock(block, password)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, newFailure("UNKNOWN_CERTIFICATE_TYPE")
	}
	return signer, nil
}

// parseBlock parses the private key of a PEM block.
func parseBlock(block *pem.Block, password *string) (any, error) {
	der := block.Bytes
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY":
		return decryptKey(der, password)
	case isEncrypted(block):
		if password == nil {
			return nil, pemFailure()
		}
		var err error
		if der, err = decryptBlock(block, *password); err != nil {
			return nil, pemFailure()
		}
	}
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	return nil, pemFailure()
}

// decryptKey decrypts a key in the form of PKCS #8.
func decryptKey(der []byte, password *string) (any, error) {
	if password == nil || !derivesFast(der) {
		return nil, pemFailure()
	}
	key, err := pkcs8.ParsePKCS8PrivateKey(der, []byte(*password))
	if err != nil {
		return nil, pemFailure()
	}
	return key, nil
}

// isEncrypted reports whether a PEM block is encrypted as RFC 1423 says.
func isEncrypted(block *pem.Block) bool {
	return x509.IsEncryptedPEMBlock(block) //nolint:staticcheck // OpenSSL still reads and writes such keys
}

// decryptBlock decrypts a PEM block that is encrypted as RFC 1423 says.
func decryptBlock(block *pem.Block, password string) ([]byte, error) {
	der, err := x509.DecryptPEMBlock(block, []byte(password)) //nolint:staticcheck // see isEncrypted
	if err == nil && len(der) == 0 {
		return nil, errors.New("no key")
	}
	return der, err
}

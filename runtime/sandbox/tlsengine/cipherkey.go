package tlsengine

import (
	"crypto/x509/pkix"
	"encoding/asn1"
)

// maxIterations bounds the time that deriving a key from a password takes: some 50 ms. OpenSSL makes
// 2,048 iterations unless it is asked for more.
const maxIterations = 100_000

var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidAESCBC = []asn1.ObjectIdentifier{{2, 16, 840, 1, 101, 3, 4, 1, 2}, {2, 16, 840, 1, 101, 3, 4, 1, 22}, {2, 16, 840, 1, 101, 3, 4, 1, 42}}
	oid3DES   = asn1.ObjectIdentifier{1, 2, 840, 113549, 3, 7}
)

// derivesFast reports whether a key in the form of PKCS #8 is encrypted in a way that this package
// decrypts: by PBES2 with PBKDF2 of few iterations, and AES or 3DES in CBC mode. Others are refused
// before anything is computed.
func derivesFast(der []byte) bool {
	var key struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	var scheme struct{ KDF, Cipher pkix.AlgorithmIdentifier }
	var derivation struct {
		Salt       []byte
		Iterations int
		Length     int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
	var iv []byte
	if !parses(der, &key) || !parses(key.Algorithm.Parameters.FullBytes, &scheme) ||
		!parses(scheme.KDF.Parameters.FullBytes, &derivation) || !parses(scheme.Cipher.Parameters.FullBytes, &iv) {
		return false
	}
	block := 0
	for _, id := range oidAESCBC {
		if scheme.Cipher.Algorithm.Equal(id) {
			block = 16
		}
	}
	if scheme.Cipher.Algorithm.Equal(oid3DES) {
		block = 8
	}
	return key.Algorithm.Algorithm.Equal(oidPBES2) && scheme.KDF.Algorithm.Equal(oidPBKDF2) && block > 0 && len(iv) == block &&
		len(key.Data) > 0 && len(key.Data)%block == 0 && derivation.Iterations > 0 && derivation.Iterations <= maxIterations
}

func parses(der []byte, to any) bool {
	_, err := asn1.Unmarshal(der, to)
	return err == nil
}

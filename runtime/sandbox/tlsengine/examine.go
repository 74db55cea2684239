package tlsengine

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"time"
)

// Codes of OpenSSL's strict checks (RFC 5280), which CPython's default context asks for.
var strictMessages = map[int]string{
	80: "Path length invalid for non-CA cert", 81: "Path length given without key usage keyCertSign",
	82: "Key usage keyCertSign invalid for non-CA cert", 83: "Issuer name empty", 84: "Subject name empty",
	85: "Missing Authority Key Identifier", 86: "Missing Subject Key Identifier", 87: "Empty Subject Alternative Name extension",
	88: "Subject empty and Subject Alt Name extension not critical", 89: "Basic Constraints of CA cert not marked critical",
	92: "CA cert does not include key usage extension", 93: "Using cert extension requires at least X509v3",
}

// Extensions of certificates.
var (
	oidSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
)

// extension returns an extension of a certificate, or nil.
func extension(c *x509.Certificate, id asn1.ObjectIdentifier) *pkix.Extension {
	for i := range c.Extensions {
		if c.Extensions[i].Id.Equal(id) {
			return &c.Extensions[i]
		}
	}
	return nil
}

// examine makes the checks that OpenSSL makes of a chain with an anchor, in its order, and returns the
// first failure. crypto/x509 makes most of them again.
func (v *verifier) examine(chain []*x509.Certificate, now time.Time) *Failure {
	if f := v.extensions(chain); f != nil {
		return f
	}
	if f := strength(chain); f != nil {
		return f
	}
	if f := v.checkHost(chain[0]); f != nil {
		return f
	}
	if v.flags&verifyCRLLeaf != 0 { // there are no CRLs here: a check that cannot be made fails
		return unverified(codeNoCRL)
	}
	for i, c := range slices.Backward(chain) {
		if i+1 < len(chain) && c.CheckSignatureFrom(chain[i+1]) != nil && issuerSigns(c, chain[i+1]) != nil {
			return unverified(codeBadSignature)
		}
		switch {
		case now.Before(c.NotBefore):
			return unverified(codeNotYetValid)
		case now.After(c.NotAfter):
			return unverified(codeExpired)
		}
	}
	return nil
}

// issuerSigns checks a signature alone, whatever the issuer may sign.
func issuerSigns(c, issuer *x509.Certificate) error {
	return issuer.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
}

// extensions checks what the certificates of a chain may be used for.
func (v *verifier) extensions(chain []*x509.Certificate) *Failure {
	length := 0
	for i, c := range chain {
		isCA := c.IsCA && c.BasicConstraintsValid
		switch {
		case len(c.UnhandledCriticalExtensions) > 0:
			return unverified(codeCriticalExtension)
		case i > 0 && (!isCA && !isOldRoot(c) || c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0):
			return unverified(codeInvalidCA)
		}
		if v.flags&verifyStrict != 0 && len(chain) > 1 {
			if code := strict(c, i+1 == len(chain)); code != 0 {
				return unverifiedBecause(code, strictMessages[code])
			}
		}
		if !v.suits(c, i == 0) {
			return unverified(codePurpose)
		}
		if i > 1 && isCA && (c.MaxPathLen > 0 || c.MaxPathLenZero) && length > c.MaxPathLen {
			return unverified(codePathLength)
		}
		if i > 0 && !bytes.Equal(c.RawSubject, c.RawIssuer) {
			length++
		}
	}
	return nil
}

// isOldRoot reports whether a certificate is an authority of X.509 version 1, which is self-signed.
func isOldRoot(c *x509.Certificate) bool { return c.Version == 1 && isSelfSigned(c) }

// suits reports whether a certificate may be used for the purpose.
func (v *verifier) suits(c *x509.Certificate, leaf bool) bool {
	if len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0 && !slices.ContainsFunc(c.ExtKeyUsage, func(u x509.ExtKeyUsage) bool {
		return u == v.purpose || u == x509.ExtKeyUsageAny && !leaf || v.purpose == x509.ExtKeyUsageServerAuth &&
			(u == x509.ExtKeyUsageNetscapeServerGatedCrypto || u == x509.ExtKeyUsageMicrosoftServerGatedCrypto)
	}) {
		return false
	}
	if !leaf || c.KeyUsage == 0 {
		return true
	}
	want := x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement
	if v.purpose == x509.ExtKeyUsageServerAuth {
		want |= x509.KeyUsageKeyEncipherment
	}
	return c.KeyUsage&want != 0
}

// strength checks the sizes of keys and the digests, as OpenSSL's security level 2 does.
func strength(chain []*x509.Certificate) *Failure {
	for i, c := range chain {
		if isWeak(c) {
			if i == 0 {
				return unverified(codeLeafKeyWeak)
			}
			return unverified(codeAuthorityKeyWeak)
		}
	}
	for _, c := range chain[:len(chain)-1] {
		switch c.SignatureAlgorithm {
		case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
			return unverified(codeDigestWeak)
		}
	}
	return nil
}

func isWeak(c *x509.Certificate) bool {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() < minRSABits
	case *ecdsa.PublicKey:
		return key.Curve.Params().BitSize < minECBits
	case ed25519.PublicKey:
		return false
	}
	return true
}

// strict returns the code of the first rule of RFC 5280 that a certificate breaks, or 0.
func strict(c *x509.Certificate, last bool) int {
	basic, usage, alt := extension(c, oidBasicConstraints), extension(c, oidKeyUsage), extension(c, oidSubjectAltName)
	subject := extension(c, oidSubjectKeyID)
	hasLength := basic != nil && (c.MaxPathLen > 0 || c.MaxPathLenZero)
	signs := c.KeyUsage&x509.KeyUsageCertSign != 0
	unnamed := len(c.Subject.Names) == 0
	for _, rule := range []struct {
		broken bool
		code   int
	}{
		{hasLength && !c.IsCA, 80},
		{hasLength && !signs, 81},
		{c.IsCA && basic != nil && !basic.Critical, 89},
		{c.IsCA && usage == nil, 92},
		{!c.IsCA && signs, 82},
		{len(c.Issuer.Names) == 0, 83},
		{unnamed && (c.IsCA || c.KeyUsage&x509.KeyUsageCRLSign != 0 || alt == nil), 84},
		{unnamed && alt != nil && !alt.Critical, 88},
		{alt != nil && isEmptySequence(alt.Value), 87},
		{c.Version < 3 && len(c.Extensions) > 0, 93},
		{c.Version >= 3 && !last && len(c.AuthorityKeyId) == 0, 85},
		{c.Version >= 3 && c.IsCA && subject == nil, 86},
	} {
		if rule.broken {
			return rule.code
		}
	}
	return 0
}

func isEmptySequence(der []byte) bool { return bytes.Equal(der, []byte{0x30, 0}) }

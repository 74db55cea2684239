package tlsengine

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
)

// Roots are trust anchors, in the order of their source. They are immutable.
type Roots struct {
	sum       string // SHA-256 of the source, in hex
	anchors   []*anchor
	bySubject map[string][]*anchor
	cas       int
	size      int64
	spend     func(units int) // while they are parsed; nil: nothing is counted
}

// anchor is a certificate of Roots.
type anchor struct {
	*x509.Certificate
	constraint func(chain []*x509.Certificate) error // nil: none
}

// ParseRoots parses trust anchors: PEM with other text between its blocks, or DER certificates one
// after another. Blocks of PEM other than certificates, such as CRLs, are skipped, and so are
// certificates that crypto/x509 cannot read, or that are larger than 64 KiB. spend is called before each
// certificate, with the number of units of work that it may take, of 0.2 ns; nil: it is not. The error is a
// [*Failure].
func ParseRoots(source []byte, spend func(units int)) (*Roots, error) {
	r := &Roots{sum: Sum(source), spend: spend}
	defer func() { r.spend = nil }()
	var read int
	var err error
	if isPEM(source) {
		read, err = r.addPEM(source)
	} else {
		read, err = r.addDER(source)
	}
	if err != nil {
		return nil, err
	}
	if r.size > maxTenantTrust {
		return nil, ErrTooManyRoots
	}
	if read == 0 {
		return nil, newFailure("NO_CERTIFICATE_OR_CRL_FOUND").of("X509")
	}
	return r, nil
}

// addPEM adds the certificates of PEM, and returns the number of its blocks.
func (r *Roots) addPEM(source []byte) (blocks int, _ error) {
	for {
		var block *pem.Block
		if block, source = pem.Decode(source); block == nil {
			return blocks, nil
		}
		switch block.Type {
		case "CERTIFICATE", "X509 CERTIFICATE":
			r.add(block.Bytes, nil)
			blocks++
		case "TRUSTED CERTIFICATE": // a certificate, and how OpenSSL trusts it
			var first asn1.RawValue
			if _, err := asn1.Unmarshal(block.Bytes, &first); err == nil {
				r.add(first.FullBytes, nil)
			}
			blocks++
		case "X509 CRL":
			blocks++
		}
	}
}

// addDER adds the certificates of DER, and returns their number.
func (r *Roots) addDER(source []byte) (n int, _ error) {
	for len(source) > 0 {
		var one asn1.RawValue
		rest, err := asn1.Unmarshal(source, &one)
		if err != nil {
			if n > 0 { // OpenSSL takes what it could read
				return n, nil
			}
			return 0, derFailure(source)
		}
		if n == 0 && len(one.FullBytes) <= maxCertificate {
			if _, err := x509.ParseCertificate(one.FullBytes); err != nil {
				return 0, newFailure("NESTED_ASN1_ERROR").of("ASN1")
			}
		}
		r.add(one.FullBytes, nil)
		source = rest
		n++
	}
	if n == 0 {
		return 0, newFailure("NOT_ENOUGH_DATA").of("ASN1")
	}
	return n, nil
}

// derFailure returns the failure for bytes that are no certificate.
func derFailure(source []byte) *Failure {
	if len(source) < 2 || source[0] == 0x30 {
		return newFailure("NOT_ENOUGH_DATA").of("ASN1")
	}
	return newFailure("WRONG_TAG").of("ASN1")
}

// The units of work of parsing a certificate.
const (
	parseUnits        = 64 << 10
	parseUnitsPerByte = 64
)

// add adds a certificate, once.
func (r *Roots) add(der []byte, constraint func([]*x509.Certificate) error) {
	if len(der) > maxCertificate || r.size > maxTenantTrust {
		return
	}
	if r.spend != nil {
		r.spend(parseUnits + parseUnitsPerByte*len(der))
	}
	c, err := x509.ParseCertificate(bytes.Clone(der)) // der may be memory of a program, and it would keep it
	if err != nil {
		return
	}
	subject := string(c.RawSubject)
	for _, a := range r.bySubject[subject] {
		if bytes.Equal(a.Raw, c.Raw) {
			return
		}
	}
	if r.bySubject == nil {
		r.bySubject = make(map[string][]*anchor)
	}
	a := &anchor{c, constraint}
	r.anchors = append(r.anchors, a)
	r.bySubject[subject] = append(r.bySubject[subject], a)
	if c.IsCA {
		r.cas++
	}
	r.size += certificateSize(c)
}

// certificateSize returns the approximate number of bytes of memory that a parsed certificate takes. An
// empty URI has two bytes in DER, and 150 here.
func certificateSize(c *x509.Certificate) int64 {
	strings := len(c.DNSNames) + len(c.EmailAddresses) + len(c.IPAddresses) + len(c.ExtKeyUsage) + len(c.UnknownExtKeyUsage) +
		len(c.OCSPServer) + len(c.IssuingCertificateURL) + len(c.CRLDistributionPoints) +
		len(c.PermittedDNSDomains) + len(c.ExcludedDNSDomains) + len(c.PermittedEmailAddresses) + len(c.ExcludedEmailAddresses) +
		len(c.PermittedURIDomains) + len(c.ExcludedURIDomains)
	objects := len(c.Extensions) + len(c.Subject.Names) + len(c.Issuer.Names) + len(c.Policies) + len(c.PolicyIdentifiers) +
		len(c.PolicyMappings) + len(c.PermittedIPRanges) + len(c.ExcludedIPRanges)
	return 3*int64(len(c.Raw)) + 2048 + 48*int64(strings) + 96*int64(objects) + 160*int64(len(c.URIs))
}

// Sum returns the sum of the source, as the function Sum does.
func (r *Roots) Sum() string { return r.sum }

// Counts returns the number of certificates, and how many of them are of authorities.
func (r *Roots) Counts() (certificates, authorities int) { return len(r.anchors), r.cas }

// Size returns the approximate number of bytes of memory that the Roots take.
func (r *Roots) Size() int64 { return r.size + 1024 }

// find returns the anchor that is this certificate, or nil.
func (r *Roots) find(c *x509.Certificate) *anchor {
	for _, a := range r.bySubject[string(c.RawSubject)] {
		if bytes.Equal(a.Raw, c.Raw) {
			return a
		}
	}
	return nil
}

// Sum returns the SHA-256 of a source of Roots, in hex.
func Sum(source []byte) string {
	sum := sha256.Sum256(source)
	return hex.EncodeToString(sum[:])
}

// ErrTooManyRoots is the failure for roots that are too large to be kept.
var ErrTooManyRoots error = otherFailure("the certificates take more memory than a program may have for them")

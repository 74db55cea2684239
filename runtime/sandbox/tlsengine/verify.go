package tlsengine

import (
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Codes of OpenSSL's verification.
const (
	codeUnspecified       = 1
	codeNoIssuer          = 2
	codeNoCRL             = 3
	codeBadSignature      = 7
	codeNotYetValid       = 9
	codeExpired           = 10
	codeSelfSigned        = 18
	codeSelfSignedInChain = 19
	codeNoLocalIssuer     = 20
	codeChainTooLong      = 22
	codePathLength        = 25
	codePurpose           = 26
	codeCriticalExtension = 34
	codePermittedSubtree  = 47
	codeExcludedSubtree   = 48
	codeHostname          = 62
	codeAddress           = 64
	codeLeafKeyWeak       = 66
	codeAuthorityKeyWeak  = 67
	codeDigestWeak        = 68
	codeInvalidCA         = 79
)

// messages are OpenSSL's texts of the codes.
var messages = map[int]string{
	codeUnspecified: "unspecified certificate verification error", codeNoIssuer: "unable to get issuer certificate",
	codeNoCRL: "unable to get certificate CRL", codeBadSignature: "certificate signature failure",
	codeNotYetValid: "certificate is not yet valid", codeExpired: "certificate has expired",
	codeSelfSigned: "self-signed certificate", codeSelfSignedInChain: "self-signed certificate in certificate chain",
	codeNoLocalIssuer: "unable to get local issuer certificate", codeChainTooLong: "certificate chain too long",
	codePathLength: "path length constraint exceeded", codePurpose: "unsuitable certificate purpose",
	codeCriticalExtension: "unhandled critical extension", codePermittedSubtree: "permitted subtree violation",
	codeExcludedSubtree: "excluded subtree violation", codeLeafKeyWeak: "EE certificate key too weak",
	codeAuthorityKeyWeak: "CA certificate key too weak", codeDigestWeak: "CA signature digest algorithm too weak",
	codeInvalidCA: "invalid CA certificate",
}

// unverified returns the failure for a refused certificate.
func unverified(code int) *Failure { return unverifiedBecause(code, messages[code]) }

func unverifiedBecause(code int, message string) *Failure {
	f := newFailure("CERTIFICATE_VERIFY_FAILED")
	f.VerifyCode, f.VerifyMessage = code, message
	f.Text += ": " + message
	return f
}

const (
	// maxDepth bounds the number of certificates of a chain, and with it the time of its check, which
	// nothing interrupts: each has a signature. OpenSSL has 100.
	maxDepth = 16
	// maxRSABits bounds the time of a signature and of its check. crypto/tls has the same limit for end
	// entities.
	maxRSABits = 8192
	// minRSABits and minECBits are those of OpenSSL's security level 2.
	minRSABits = 2048
	minECBits  = 224
)

// verifier verifies the peer of a connection.
type verifier struct {
	options Options
	system  bool     // the roots of the machine are trusted
	sums    []string // of other roots that are trusted
	roots   []*Roots // while a chain is verified
	mode    int
	flags   int64
	host    string // that the certificate must be valid for; empty: any
	hosts   int64  // host flags
	purpose x509.ExtKeyUsage
	now     func() time.Time
}

// newVerifier returns the verifier of a connection.
func newVerifier(s *Settings, o Options) (*verifier, error) {
	v := &verifier{options: o, system: s.DefaultRoots && o.Default != nil, sums: s.Roots, mode: s.VerifyMode, flags: s.VerifyFlags, hosts: s.HostFlags, purpose: x509.ExtKeyUsageServerAuth, now: time.Now}
	if s.ServerSide {
		v.purpose = x509.ExtKeyUsageClientAuth
	}
	if s.CheckHostname {
		v.host = s.ServerHostname
	}
	if f := v.load(); f != nil {
		return nil, f
	}
	v.roots = nil
	return v, nil
}

// load gets the roots. An engine does not keep them: they are charged to their tenant only as long as
// its host keeps them.
func (v *verifier) load() *Failure {
	v.roots = nil
	if v.system {
		v.roots = append(v.roots, v.options.Default())
	}
	for i, sum := range v.sums {
		if slices.Contains(v.sums[:i], sum) {
			continue
		}
		r := v.options.Roots(sum)
		if r == nil {
			return newFailure("ROOTS_UNKNOWN")
		}
		v.roots = append(v.roots, r)
	}
	return nil
}

// verify verifies the peer's certificates for crypto/tls.
func (e *Engine) verify(v *verifier, state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return nil // a server that requires one has refused the client
	}
	e.parsed = 0
	for _, c := range state.PeerCertificates {
		e.parsed += certificateSize(c)
	}
	if v.mode == verifyNone {
		return nil
	}
	f := v.load()
	if f == nil {
		e.verified, f = v.chain(state.PeerCertificates)
		v.roots = nil
	}
	if f != nil {
		return f
	}
	return nil
}

// rsaBits returns the size of the key of a certificate, or 0 if it is none of RSA.
func rsaBits(c *x509.Certificate) int {
	if key, ok := c.PublicKey.(*rsa.PublicKey); ok {
		return key.N.BitLen()
	}
	return 0
}

// chain returns the verified chain, from the end entity to its anchor, or the failure that OpenSSL
// would report. crypto/x509 has the last word on a chain that is built.
func (v *verifier) chain(peer []*x509.Certificate) ([]*x509.Certificate, *Failure) {
	chain, last, untrusted := v.build(peer)
	for _, c := range chain {
		if rsaBits(c) > maxRSABits {
			return nil, unverified(codeUnspecified)
		}
	}
	switch {
	case last != nil:
	case len(chain) >= maxDepth:
		return nil, unverified(codeChainTooLong)
	case isSelfSigned(chain[len(chain)-1]) && len(chain) == 1:
		return nil, unverified(codeSelfSigned)
	case isSelfSigned(chain[len(chain)-1]):
		return nil, unverified(codeSelfSignedInChain)
	case untrusted < len(chain):
		return nil, unverified(codeNoIssuer)
	default:
		return nil, unverified(codeNoLocalIssuer)
	}
	now := v.now()
	if f := v.examine(chain, now); f != nil {
		return nil, f
	}
	o := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{v.purpose}}
	if last.constraint != nil {
		o.Roots.AddCertWithConstraint(last.Certificate, last.constraint)
	} else {
		o.Roots.AddCert(last.Certificate)
	}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(o); err != nil {
		return nil, v.refused(chain, err)
	}
	return chain, nil
}

// build returns the chain from the peer's end entity as OpenSSL builds it, the anchor it ends with, or
// nil, and the number of certificates that are the peer's.
func (v *verifier) build(peer []*x509.Certificate) (chain []*x509.Certificate, last *anchor, untrusted int) {
	chain = append(chain, peer[0])
	if a := v.trusted(peer[0]); a != nil && (v.flags&verifyPartialChain != 0 || isSelfSigned(peer[0])) {
		return chain, a, 0
	}
	bySubject := make(map[string][]*x509.Certificate, len(peer))
	for _, c := range peer[1:] {
		bySubject[string(c.RawSubject)] = append(bySubject[string(c.RawSubject)], c)
	}
	untrusted = 1
	trusting := false
	for len(chain) < maxDepth {
		c := chain[len(chain)-1]
		if isSelfSigned(c) && !trusting {
			return chain, nil, untrusted
		}
		if a := v.issuer(c, chain); a != nil {
			chain = append(chain, a.Certificate)
			if v.flags&verifyPartialChain != 0 || isSelfSigned(a.Certificate) {
				return chain, a, untrusted
			}
			trusting = true
			continue
		}
		next := (*x509.Certificate)(nil)
		if !trusting {
			next = best(c, bySubject[string(c.RawIssuer)], chain, v.now())
		}
		if next == nil {
			return chain, nil, untrusted
		}
		chain = append(chain, next)
		untrusted++
	}
	return chain, nil, untrusted
}

// trusted returns the anchor that is this certificate, or nil.
func (v *verifier) trusted(c *x509.Certificate) *anchor {
	for _, r := range v.roots {
		if a := r.find(c); a != nil {
			return a
		}
	}
	return nil
}

// issuer returns the anchor that has issued a certificate by its names, or nil.
func (v *verifier) issuer(c *x509.Certificate, chain []*x509.Certificate) *anchor {
	var found []*x509.Certificate
	var anchors []*anchor
	for _, r := range v.roots {
		for _, a := range r.bySubject[string(c.RawIssuer)] {
			found, anchors = append(found, a.Certificate), append(anchors, a)
		}
	}
	issuer := best(c, found, chain, v.now())
	for i := range found {
		if found[i] == issuer && issuer != nil {
			return anchors[i]
		}
	}
	return nil
}

// best returns the first of the candidates that may have issued a certificate and is valid now, else
// the one that is valid longest, or nil.
func best(c *x509.Certificate, candidates, chain []*x509.Certificate, now time.Time) (issuer *x509.Certificate) {
	for _, x := range candidates {
		if !mayIssue(x, c) || contains(chain, x) {
			continue
		}
		if !now.Before(x.NotBefore) && !now.After(x.NotAfter) {
			return x
		}
		if issuer == nil || x.NotAfter.After(issuer.NotAfter) {
			issuer = x
		}
	}
	return issuer
}

func contains(chain []*x509.Certificate, c *x509.Certificate) bool {
	for _, x := range chain {
		if bytes.Equal(x.Raw, c.Raw) {
			return true
		}
	}
	return false
}

// mayIssue reports whether the names and key identifiers of a certificate are those of an issuer.
func mayIssue(issuer, c *x509.Certificate) bool {
	if !bytes.Equal(issuer.RawSubject, c.RawIssuer) {
		return false
	}
	if len(c.AuthorityKeyId) > 0 && len(issuer.SubjectKeyId) > 0 && !bytes.Equal(c.AuthorityKeyId, issuer.SubjectKeyId) {
		return false
	}
	return true
}

// isSelfSigned reports whether a certificate has issued itself, by its names and key identifiers.
func isSelfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawSubject, c.RawIssuer) && mayIssue(c, c)
}

// refused returns the failure for a chain that crypto/x509 refuses.
func (v *verifier) refused(chain []*x509.Certificate, err error) *Failure {
	for i := range chain[:len(chain)-1] {
		if e := chain[i].CheckSignatureFrom(chain[i+1]); e != nil {
			return unverified(codeBadSignature)
		}
	}
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.CANotAuthorizedForThisName {
		if strings.Contains(invalid.Detail, "excluded") {
			return unverified(codeExcludedSubtree)
		}
		return unverified(codePermittedSubtree)
	}
	return unverifiedBecause(codeUnspecified, messages[codeUnspecified]+" ("+strings.TrimPrefix(err.Error(), "x509: ")+")")
}

// checkHost returns the failure of a certificate that is not valid for the host, with the text of
// CPython.
func (v *verifier) checkHost(c *x509.Certificate) *Failure {
	if v.host == "" {
		return nil
	}
	if a, err := netip.ParseAddr(v.host); err == nil {
		for _, ip := range c.IPAddresses {
			if x, ok := netip.AddrFromSlice(ip); ok && x.Unmap() == a.Unmap() {
				return nil
			}
		}
		return unverifiedBecause(codeAddress, "IP address mismatch, certificate is not valid for '"+v.host+"'.")
	}
	names := c.DNSNames
	if len(names) == 0 && v.hosts&hostNeverSubject == 0 {
		names = commonNames(c)
	}
	host := asciiLower(v.host)
	dots := strings.Count(host, ".")
	for _, name := range names {
		// Names are many, and a comparison takes the length of both.
		if strings.Count(name, ".") == dots && v.matches(name, host) {
			return nil
		}
	}
	return unverifiedBecause(codeHostname, "Hostname mismatch, certificate is not valid for '"+v.host+"'.")
}

// matches reports whether the name of a certificate covers a host. A wildcard is the whole first label,
// and at least two labels follow it.
func (v *verifier) matches(name, host string) bool {
	if strings.Contains(name, "*") && (v.hosts&hostNoWildcards != 0 || strings.Count(name, ".") < 2) {
		return false
	}
	c := x509.Certificate{DNSNames: []string{name}}
	return c.VerifyHostname(host) == nil
}

// commonNames returns the common names of the subject.
func commonNames(c *x509.Certificate) (names []string) {
	for _, n := range c.Subject.Names {
		if s, ok := n.Value.(string); ok && n.Type.String() == "2.5.4.3" {
			names = append(names, s)
		}
	}
	return names
}

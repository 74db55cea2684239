package tlsengine

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"time"
	"unicode/utf16"
)

// Decoded is a certificate as SSLSocket.getpeercert describes it, with its keys in CPython's order.
// Tuples are arrays.
type Decoded struct {
	Subject      [][][2]string `json:"subject"`
	Issuer       [][][2]string `json:"issuer"`
	Version      int           `json:"version"`
	SerialNumber string        `json:"serialNumber"`
	NotBefore    string        `json:"notBefore"`
	NotAfter     string        `json:"notAfter"`
	AltName      *[]any        `json:"subjectAltName,omitempty"`
	OCSP         []string      `json:"OCSP,omitempty"`
	Issuers      []string      `json:"caIssuers,omitempty"`
	CRLs         []string      `json:"crlDistributionPoints,omitempty"`
}

// tbsCertificate is the part of a certificate that is signed. It is read leniently: verification is
// made with crypto/x509.
type tbsCertificate struct {
	Version      int `asn1:"optional,explicit,default:0,tag:0"`
	SerialNumber *big.Int
	Signature    asn1.RawValue
	Issuer       asn1.RawValue
	Validity     struct{ NotBefore, NotAfter time.Time }
	Subject      asn1.RawValue
	PublicKey    asn1.RawValue
	IssuerID     asn1.BitString   `asn1:"optional,tag:1"`
	SubjectID    asn1.BitString   `asn1:"optional,tag:2"`
	Extensions   []pkix.Extension `asn1:"optional,explicit,tag:3"`
}

type relativeNameSET []struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

var (
	oidCRLs        = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidAccess      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
	oidAccessOCSP  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1}
	oidAccessFiles = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 2}
)

// maxCertificate is the size of the largest certificate that a program can have read, in bytes of DER.
// A name of two bytes takes a hundred when it is read.
const maxCertificate = 64 << 10

// Decode describes a certificate in DER or PEM. The error is a [*Failure].
func Decode(source []byte) (*Decoded, error) {
	if isPEM(source) {
		block := nextBlock(&source, isCertificate)
		if block == nil {
			return nil, pemFailure()
		}
		source = block.Bytes
	}
	if len(source) > maxCertificate {
		return nil, newFailure("EXCESSIVE_MESSAGE_SIZE")
	}
	var c struct {
		TBS       tbsCertificate
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	if rest, err := asn1.Unmarshal(source, &c); err != nil || len(rest) > 0 {
		return nil, derFailure(source)
	}
	d := &Decoded{
		Version: c.TBS.Version + 1, SerialNumber: serialText(c.TBS.SerialNumber),
		NotBefore: timeText(c.TBS.Validity.NotBefore), NotAfter: timeText(c.TBS.Validity.NotAfter),
	}
	var ok bool
	if d.Subject, ok = nameOf(c.TBS.Subject.FullBytes); !ok {
		return nil, derFailure(source)
	}
	if d.Issuer, ok = nameOf(c.TBS.Issuer.FullBytes); !ok {
		return nil, derFailure(source)
	}
	d.addExtensions(c.TBS.Extensions)
	return d, nil
}

// addExtensions adds what the extensions say. One that cannot be read, or is there twice, says
// nothing.
func (d *Decoded) addExtensions(list []pkix.Extension) {
	only := func(id asn1.ObjectIdentifier) []byte {
		var found []byte
		n := 0
		for _, x := range list {
			if x.Id.Equal(id) {
				found, n = x.Value, n+1
			}
		}
		if n != 1 {
			return nil
		}
		return found
	}
	if names, ok := generalNames(only(oidSubjectAltName)); ok {
		d.AltName = &names
	}
	d.OCSP, d.Issuers = accessURIs(only(oidAccess))
	d.CRLs = crlURIs(only(oidCRLs))
}

// serialText returns a serial number as hexadecimal bytes.
func serialText(n *big.Int) string {
	text := fmt.Sprintf("%X", new(big.Int).Abs(n))
	if len(text)%2 != 0 {
		text = "0" + text
	}
	if n.Sign() < 0 {
		text = "-" + text
	}
	return text
}

func timeText(t time.Time) string { return t.UTC().Format("Jan _2 15:04:05 2006") + " GMT" }

// nameOf returns a distinguished name.
func nameOf(der []byte) (name [][][2]string, ok bool) {
	var list []relativeNameSET
	if !parses(der, &list) {
		return nil, false
	}
	name = [][][2]string{}
	for _, set := range list {
		relative := [][2]string{}
		for _, a := range set {
			value, ok := textOf(a.Value)
			if !ok {
				return nil, false
			}
			relative = append(relative, [2]string{objectName(a.Type), value})
		}
		name = append(name, relative)
	}
	return name, true
}

// objectName returns the long name of an object, else its number.
func objectName(id asn1.ObjectIdentifier) string {
	if name, ok := longNames[id.String()]; ok {
		return name
	}
	return id.String()
}

// textOf returns the text of a string of ASN.1.
func textOf(v asn1.RawValue) (string, bool) {
	const tagUniversalString, tagVisibleString = 28, 26
	b := v.Bytes
	switch v.Tag {
	case asn1.TagUTF8String:
		return string(b), true
	case asn1.TagNumericString, asn1.TagPrintableString, asn1.TagT61String, asn1.TagIA5String, tagVisibleString, asn1.TagBitString:
		runes := make([]rune, len(b))
		for i, c := range b {
			runes[i] = rune(c)
		}
		return string(runes), true
	case asn1.TagBMPString:
		units := make([]uint16, len(b)/2)
		for i := range units {
			units[i] = binary.BigEndian.Uint16(b[2*i:])
		}
		return string(utf16.Decode(units)), len(b)%2 == 0
	case tagUniversalString:
		runes := make([]rune, len(b)/4)
		for i := range runes {
			runes[i] = rune(binary.BigEndian.Uint32(b[4*i:]))
		}
		return string(runes), len(b)%4 == 0
	}
	return "", false
}

// The kinds of general names.
const (
	nameOther = iota
	nameEmail
	nameDNS
	nameX400
	nameDirectory
	nameEDI
	nameURI
	nameIP
	nameRegistered
)

// generalNames returns a sequence of general names, each a kind and a value.
func generalNames(der []byte) (names []any, ok bool) {
	var list []asn1.RawValue
	if !parses(der, &list) {
		return nil, false
	}
	names = []any{}
	for _, v := range list {
		if v.Class != asn1.ClassContextSpecific {
			return nil, false
		}
		var value any = string(v.Bytes)
		kind := ""
		switch v.Tag {
		case nameEmail:
			kind = "email"
		case nameDNS:
			kind = "DNS"
		case nameURI:
			kind = "URI"
		case nameIP:
			kind, value = "IP Address", addressText(v.Bytes)
		case nameRegistered:
			kind = "Registered ID"
			id, ok := objectIdentifier(v.Bytes)
			if !ok {
				return nil, false
			}
			value = objectName(id)
		case nameDirectory:
			kind = "DirName"
			if value, ok = nameOf(v.Bytes); !ok {
				return nil, false
			}
		case nameOther:
			kind, value = "othername", "<unsupported>"
		case nameX400:
			kind, value = "X400Name", "<unsupported>"
		case nameEDI:
			kind, value = "EdiPartyName", "<unsupported>"
		default:
			return nil, false
		}
		names = append(names, [2]any{kind, value})
	}
	return names, true
}

// objectIdentifier reads the content of an object identifier.
func objectIdentifier(content []byte) (id asn1.ObjectIdentifier, ok bool) {
	if len(content) > 127 {
		return nil, false
	}
	return id, parses(append([]byte{asn1.TagOID, byte(len(content))}, content...), &id)
}

// addressText returns an address as CPython shows it.
func addressText(b []byte) string {
	switch len(b) {
	case 4:
		return netip.AddrFrom4([4]byte(b)).String()
	case 16:
		var groups []string
		for i := 0; i < 16; i += 2 {
			groups = append(groups, fmt.Sprintf("%X", binary.BigEndian.Uint16(b[i:])))
		}
		return strings.Join(groups, ":")
	}
	return "<invalid>"
}

// accessURIs returns the addresses of the authority's information access: of OCSP, and of its
// certificates.
func accessURIs(der []byte) (ocsp, files []string) {
	var list []struct {
		Method   asn1.ObjectIdentifier
		Location asn1.RawValue
	}
	if !parses(der, &list) {
		return nil, nil
	}
	for _, a := range list {
		switch {
		case a.Location.Tag != nameURI || a.Location.Class != asn1.ClassContextSpecific:
		case a.Method.Equal(oidAccessOCSP):
			ocsp = append(ocsp, string(a.Location.Bytes))
		case a.Method.Equal(oidAccessFiles):
			files = append(files, string(a.Location.Bytes))
		}
	}
	return ocsp, files
}

// crlURIs returns the addresses of revocation lists.
func crlURIs(der []byte) (uris []string) {
	var list []struct {
		Name struct {
			Full []asn1.RawValue `asn1:"optional,tag:0"`
		} `asn1:"optional,tag:0"`
		Reasons asn1.BitString `asn1:"optional,tag:1"`
		Issuer  asn1.RawValue  `asn1:"optional,tag:2"`
	}
	if !parses(der, &list) {
		return nil
	}
	for _, point := range list {
		for _, n := range point.Name.Full {
			if n.Tag == nameURI && n.Class == asn1.ClassContextSpecific {
				uris = append(uris, string(n.Bytes))
			}
		}
	}
	return uris
}

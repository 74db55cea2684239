package tlsengine

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
)

// suite is a cipher suite that crypto/tls has, with its names of OpenSSL.
type suite struct {
	id       uint16
	name     string
	protocol string // the first version that has it
	exchange string // key exchange
	auth     string
	cipher   string // as OpenSSL describes it
	mode     string // name of the symmetric algorithm
	digest   string // of the MAC; empty: AEAD
	bits     int
}

// suites are all suites, in the order of preference. Those of TLS 1.3 come first, and are always
// enabled.
var suites = []suite{
	{tls.TLS_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384", "TLSv1.3", "any", "any", "AESGCM(256)", "aes-256-gcm", "", 256},
	{tls.TLS_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256", "TLSv1.3", "any", "any", "CHACHA20/POLY1305(256)", "chacha20-poly1305", "", 256},
	{tls.TLS_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256", "TLSv1.3", "any", "any", "AESGCM(128)", "aes-128-gcm", "", 128},
	{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2", "ECDH", "ECDSA", "AESGCM(256)", "aes-256-gcm", "", 256},
	{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE-RSA-AES256-GCM-SHA384", "TLSv1.2", "ECDH", "RSA", "AESGCM(256)", "aes-256-gcm", "", 256},
	{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-ECDSA-CHACHA20-POLY1305", "TLSv1.2", "ECDH", "ECDSA", "CHACHA20/POLY1305(256)", "chacha20-poly1305", "", 256},
	{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-RSA-CHACHA20-POLY1305", "TLSv1.2", "ECDH", "RSA", "CHACHA20/POLY1305(256)", "chacha20-poly1305", "", 256},
	{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2", "ECDH", "ECDSA", "AESGCM(128)", "aes-128-gcm", "", 128},
	{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "ECDHE-RSA-AES128-GCM-SHA256", "TLSv1.2", "ECDH", "RSA", "AESGCM(128)", "aes-128-gcm", "", 128},
	{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, "ECDHE-ECDSA-AES128-SHA256", "TLSv1.2", "ECDH", "ECDSA", "AES(128)", "aes-128-cbc", "SHA256", 128},
	{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, "ECDHE-RSA-AES128-SHA256", "TLSv1.2", "ECDH", "RSA", "AES(128)", "aes-128-cbc", "SHA256", 128},
	{tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, "ECDHE-ECDSA-AES256-SHA", "TLSv1.0", "ECDH", "ECDSA", "AES(256)", "aes-256-cbc", "SHA1", 256},
	{tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, "ECDHE-RSA-AES256-SHA", "TLSv1.0", "ECDH", "RSA", "AES(256)", "aes-256-cbc", "SHA1", 256},
	{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, "ECDHE-ECDSA-AES128-SHA", "TLSv1.0", "ECDH", "ECDSA", "AES(128)", "aes-128-cbc", "SHA1", 128},
	{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, "ECDHE-RSA-AES128-SHA", "TLSv1.0", "ECDH", "RSA", "AES(128)", "aes-128-cbc", "SHA1", 128},
	{tls.TLS_RSA_WITH_AES_256_GCM_SHA384, "AES256-GCM-SHA384", "TLSv1.2", "RSA", "RSA", "AESGCM(256)", "aes-256-gcm", "", 256},
	{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, "AES128-GCM-SHA256", "TLSv1.2", "RSA", "RSA", "AESGCM(128)", "aes-128-gcm", "", 128},
	{tls.TLS_RSA_WITH_AES_128_CBC_SHA256, "AES128-SHA256", "TLSv1.2", "RSA", "RSA", "AES(128)", "aes-128-cbc", "SHA256", 128},
	{tls.TLS_RSA_WITH_AES_256_CBC_SHA, "AES256-SHA", "SSLv3", "RSA", "RSA", "AES(256)", "aes-256-cbc", "SHA1", 256},
	{tls.TLS_RSA_WITH_AES_128_CBC_SHA, "AES128-SHA", "SSLv3", "RSA", "RSA", "AES(128)", "aes-128-cbc", "SHA1", 128},
}

// defaultCiphers is CPython's.
const defaultCiphers = "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"

// isTLS13 reports whether a suite is one of TLS 1.3.
func isTLS13(id uint16) bool { return id>>8 == 0x13 }

// suiteOf returns the suite with a number, or nil.
func suiteOf(id uint16) *suite {
	for i := range suites {
		if suites[i].id == id {
			return &suites[i]
		}
	}
	return nil
}

// has reports whether a word of a cipher string selects the suite.
func (s *suite) has(word string) bool {
	isAESGCM := strings.HasPrefix(s.cipher, "AESGCM")
	switch word {
	case s.name, "ALL", "HIGH", "DEFAULT":
		return true
	case "ECDH", "ECDHE", "EECDH", "kECDHE", "kEECDH":
		return s.exchange == "ECDH"
	case "kRSA", "RSA":
		return s.exchange == "RSA"
	case "aRSA":
		return s.auth == "RSA"
	case "ECDSA", "aECDSA":
		return s.auth == "ECDSA"
	case "AES":
		return strings.HasPrefix(s.cipher, "AES")
	case "AESGCM":
		return isAESGCM
	case "AES128", "AES256":
		return strings.HasPrefix(s.cipher, "AES") && fmt.Sprint("AES", s.bits) == word
	case "CHACHA20":
		return strings.HasPrefix(s.cipher, "CHACHA20")
	case "SHA1", "SHA":
		return s.digest == "SHA1"
	case "SHA256":
		return s.digest == "SHA256"
	case "TLSv1.2", "TLSv1.0", "SSLv3":
		return s.protocol == word
	case "TLSv1":
		return s.protocol == "TLSv1.0"
	}
	return false
}

// maxCiphers is the size of the longest cipher string, in bytes: each word is compared with each suite.
const maxCiphers = 16 << 10

func noCipher() *Failure {
	return &Failure{Library: "SSL", Reason: new("NO_CIPHER_MATCH"), Text: "No cipher can be selected."}
}

// parseCiphers returns the suites of TLS 1.2 that a cipher string of OpenSSL selects. Words that it
// does not know select nothing.
func parseCiphers(text string) ([]uint16, error) {
	if text == "" {
		text = defaultCiphers
	}
	if len(text) > maxCiphers {
		return nil, noCipher()
	}
	var list []*suite
	killed := make(map[uint16]bool)
	for _, element := range strings.FieldsFunc(text, func(r rune) bool { return r == ':' || r == ',' || r == ' ' || r == ';' }) {
		operator := byte(0)
		if strings.ContainsRune("!-+@", rune(element[0])) {
			operator, element = element[0], element[1:]
		}
		if operator == '@' {
			continue
		}
		words := strings.Split(element, "+")
		for i := range suites {
			s := &suites[i]
			if isTLS13(s.id) || slices.ContainsFunc(words, func(w string) bool { return !s.has(w) }) {
				continue
			}
			at := slices.Index(list, s)
			switch {
			case operator == 0 && at < 0 && !killed[s.id]:
				list = append(list, s)
			case operator == '+' && at >= 0:
				list = append(slices.Delete(list, at, at+1), s)
			case (operator == '-' || operator == '!') && at >= 0:
				list = slices.Delete(list, at, at+1)
			}
			killed[s.id] = killed[s.id] || operator == '!'
		}
	}
	if len(list) == 0 {
		return nil, noCipher()
	}
	ids := make([]uint16, len(list))
	for i, s := range list {
		ids[i] = s.id
	}
	return ids, nil
}

// Cipher is a cipher suite as SSLContext.get_ciphers describes it.
type Cipher struct {
	ID           uint32  `json:"id"`
	Name         string  `json:"name"`
	Protocol     string  `json:"protocol"`
	Description  string  `json:"description"`
	StrengthBits int     `json:"strength_bits"`
	AlgBits      int     `json:"alg_bits"`
	AEAD         bool    `json:"aead"`
	Symmetric    string  `json:"symmetric"`
	Digest       *string `json:"digest"`
	KeyExchange  string  `json:"kea"`
	Auth         string  `json:"auth"`
}

// Ciphers returns the suites that a cipher string selects, those of TLS 1.3 first. The error is a
// [*Failure].
func Ciphers(text string) ([]Cipher, error) {
	ids, err := parseCiphers(text)
	if err != nil {
		return nil, err
	}
	var list []Cipher
	for i := range suites {
		if isTLS13(suites[i].id) {
			list = append(list, suites[i].describe())
		}
	}
	for _, id := range ids {
		list = append(list, suiteOf(id).describe())
	}
	return list, nil
}

func (s *suite) describe() Cipher {
	mac := "AEAD"
	c := Cipher{
		ID: 0x03000000 | uint32(s.id), Name: s.name, Protocol: s.protocol, StrengthBits: s.bits, AlgBits: s.bits,
		AEAD: s.digest == "", Symmetric: s.mode, Auth: "auth-" + strings.ToLower(s.auth),
		KeyExchange: map[string]string{"any": "kx-any", "ECDH": "kx-ecdhe", "RSA": "kx-rsa"}[s.exchange],
	}
	if s.digest != "" {
		mac = s.digest
		c.Digest = new(strings.ToLower(s.digest))
	}
	c.Description = fmt.Sprintf("%-30s %-7s Kx=%-8s Au=%-5s Enc=%-22s Mac=%-4s", s.name, strings.TrimSuffix(s.protocol, ".0"), s.exchange, s.auth, s.cipher, mac)
	return c
}

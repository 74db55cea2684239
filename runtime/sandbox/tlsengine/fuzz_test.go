package tlsengine

import (
	"encoding/pem"
	"testing"

	"github.com/faaspot/faaspot/test/certs"
)

// FuzzSettings reads what a program passes for the settings of a connection, for keys with a password
// and for cipher strings.
func FuzzSettings(f *testing.F) {
	made := certs.Issue(f, nil, asServer("a.example"))
	chain := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made.Cert.Raw}))
	for _, text := range []string{
		`{"server_side":false,"server_hostname":"a.example","check_hostname":true,"verify_mode":2,"alpn":["h2"],"roots":["x"]}`, `{"server_side":true,"minimum_version":772}`, `{"unknown":1}`, `{}{}`,
		"ECDHE+AESGCM:!RSA:@STRENGTH", "ALL:-ALL:+HIGH", ":::", "+", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n",
		"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00000000000000000000000000000000\n\nAAAAAAAAAAAAAAAAAAAAAA==\n-----END RSA PRIVATE KEY-----\n", chain,
	} {
		f.Add([]byte(text), "password")
	}
	f.Fuzz(func(t *testing.T, text []byte, password string) {
		if s, err := ParseSettings(text); err == nil {
			if len(s.ServerHostname) > maxNameLength || len(s.ALPN) > maxProtocols || len(s.Roots) > maxRootSets {
				t.Fatalf("%q is read as %+v", text, s)
			}
		}
		if key, err := parseKey(text, &password); err == nil && key.Public() == nil {
			t.Fatalf("%q is a key without a public part", text)
		}
		ids, err := parseCiphers(string(text))
		if err == nil && (len(ids) == 0 || len(ids) > len(suites)) {
			t.Fatalf("%q selects %v", text, ids)
		}
		if pair, err := Pair(&Certificate{Chain: chain + string(text), Key: string(text), Password: &password}); err == nil && len(pair.Certificate) > maxChain {
			t.Fatalf("a chain of %d", len(pair.Certificate))
		}
	})
}

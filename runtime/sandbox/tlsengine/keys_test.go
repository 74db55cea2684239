package tlsengine

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/test/certs"
)

// keyed returns a certificate with a key of each kind.
func keyed(t testing.TB) map[string]*authority {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := make(map[string]*authority)
	for name, key := range map[string]crypto.Signer{"RSA": rsaKey, "EC": ecKey, "Ed25519": edKey} {
		made[name] = certs.IssueFor(t, nil, key, asServer("a.example"))
	}
	return made
}

func TestPair(t *testing.T) {
	kinds := keyed(t)
	for name, a := range kinds {
		for _, text := range []string{a.KeyPEM(t), certs.PEM(a) + a.KeyPEM(t)} {
			if _, err := Pair(&Certificate{Chain: "text\n" + a.KeyPEM(t) + certs.PEM(a), Key: text}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	block := func(kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	rsaKey, ecKey := kinds["RSA"].Key.(*rsa.PrivateKey), kinds["EC"].Key.(*ecdsa.PrivateKey)
	ecDER, err := x509.MarshalECPrivateKey(ecKey)
	for name, text := range map[string]string{
		"RSA": block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil),
		"EC":  "-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n" + block("EC PRIVATE KEY", ecDER, err),
	} {
		if _, err := Pair(&Certificate{Chain: certs.PEM(kinds[name]), Key: text}); err != nil {
			t.Errorf("%s in its own form: %v", name, err)
		}
	}
	for name, test := range map[string]struct {
		c    Certificate
		want string
	}{
		"other key":        {Certificate{Chain: certs.PEM(kinds["EC"]), Key: certs.Issue(t, nil, asServer("x")).KeyPEM(t)}, "[X509: KEY_VALUES_MISMATCH] key values mismatch"},
		"key of its kind":  {Certificate{Chain: certs.PEM(kinds["EC"]), Key: kinds["RSA"].KeyPEM(t)}, "[X509: KEY_TYPE_MISMATCH] key type mismatch"},
		"no certificate":   {Certificate{Chain: kinds["EC"].KeyPEM(t), Key: kinds["EC"].KeyPEM(t)}, "[SSL] PEM lib"},
		"no key":           {Certificate{Chain: certs.PEM(kinds["EC"]), Key: certs.PEM(kinds["EC"])}, "[SSL] PEM lib"},
		"key is too large": {Certificate{Chain: certs.PEM(kinds["EC"]), Key: block("PRIVATE KEY", make([]byte, maxKey+1), nil)}, "[SSL] PEM lib"},
		"chain is long":    {Certificate{Chain: strings.Repeat(certs.PEM(kinds["EC"]), maxChain+1), Key: kinds["EC"].KeyPEM(t)}, "[SSL: EXCESSIVE_MESSAGE_SIZE] excessive message size"},
	} {
		if _, err := Pair(&test.c); err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	if err := CheckPair([]byte(`{"chain": 1}`)); !errors.Is(err, ErrSettings) {
		t.Errorf("a chain that is a number: %v", err)
	}
}

// TestEncryptedKeys reads keys that OpenSSL has encrypted.
func TestEncryptedKeys(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl")
	}
	kinds := keyed(t)
	password, wrong := "pässword", "wrong"
	for name, test := range map[string]struct {
		key     string
		args    []string
		refused bool
	}{
		"AES-256":              {"RSA", []string{"pkcs8", "-topk8", "-v2", "aes-256-cbc"}, false},
		"AES-128, EC":          {"EC", []string{"pkcs8", "-topk8", "-v2", "aes-128-cbc"}, false},
		"3DES":                 {"RSA", []string{"pkcs8", "-topk8", "-v2", "des3"}, false},
		"SHA-1":                {"RSA", []string{"pkcs8", "-topk8", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1"}, false},
		"many iterations":      {"EC", []string{"pkcs8", "-topk8", "-v2", "aes-256-cbc", "-iter", fmt.Sprint(maxIterations)}, false},
		"too many iterations":  {"EC", []string{"pkcs8", "-topk8", "-v2", "aes-256-cbc", "-iter", fmt.Sprint(maxIterations + 1)}, true},
		"scrypt":               {"EC", []string{"pkcs8", "-topk8", "-scrypt"}, true},
		"RSA as it was before": {"RSA", []string{"rsa", "-aes128", "-traditional"}, false},
		"EC as it was before":  {"EC", []string{"ec", "-aes256"}, false},
	} {
		c := exec.Command(openssl, append(test.args, "-passout", "pass:"+password)...)
		c.Stdin = strings.NewReader(kinds[test.key].KeyPEM(t))
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !strings.Contains(string(out), "ENCRYPTED") {
			t.Fatalf("%s: %s", name, out)
		}
		pair := &Certificate{Chain: certs.PEM(kinds[test.key]), Key: string(out), Password: &password}
		if _, err := Pair(pair); (err != nil) != test.refused {
			t.Errorf("%s: %v", name, err)
		}
		for _, p := range []*string{&wrong, nil, new("")} {
			pair.Password = p
			if _, err := Pair(pair); err == nil {
				t.Errorf("%s: read with another password", name)
			}
		}
	}
}

// TestCiphersAsCPython compares the lists of cipher strings with those of CPython and OpenSSL on this
// machine, of which this package has a part.
func TestCiphersAsCPython(t *testing.T) {
	texts := []string{
		"", "ALL:!aNULL", "ECDHE+AESGCM", "ECDHE+CHACHA20:ECDHE+AES128", "HIGH:!aNULL:!SHA1", "ECDHE-RSA-AES128-GCM-SHA256:nonsense", "AES128-GCM-SHA256",
		"ECDHE:!aRSA", "kRSA:-AES256", "ECDHE+AESGCM:+AES256", "DEFAULT:!ECDSA", "nonsense", "!ALL", "AES:CHACHA20:!kRSA", "ALL:!AESGCM:!PSK:!DHE",
	}
	text, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	out := run(t, `
import json, ssl, sys
for text in json.loads(sys.argv[1]):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        c.set_ciphers(text) if text else None
        print(json.dumps(c.get_ciphers()))
    except ssl.SSLError as e:
        print(json.dumps(str(e.args)))
`, string(text))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(texts) {
		t.Fatalf("%d answers", len(lines))
	}
	for i, line := range lines {
		ours, err := Ciphers(texts[i])
		if !strings.HasPrefix(line, "[") {
			if err == nil || !strings.Contains(line, "No cipher can be selected.") {
				t.Errorf("%q: %v, CPython: %s", texts[i], err, line)
			}
			continue
		}
		var theirs []Cipher
		if e := json.Unmarshal([]byte(line), &theirs); e != nil || err != nil {
			t.Fatalf("%q: %v, %v", texts[i], e, err)
		}
		var known []Cipher
		for _, c := range theirs {
			if suiteOf(uint16(c.ID)) != nil {
				known = append(known, c)
			}
		}
		if d := cmp.Diff(names(known), names(ours)); d != "" {
			t.Errorf("%q: CPython has -, this package +:\n%s", texts[i], d)
		} else if d := cmp.Diff(known, ours); d != "" {
			t.Errorf("%q: CPython has -, this package +:\n%s", texts[i], d)
		}
	}
}

func names(list []Cipher) (names []string) {
	for _, c := range list {
		names = append(names, c.Name)
	}
	return names
}

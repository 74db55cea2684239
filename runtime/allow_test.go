package runtime_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// TestAllowRules parses rules, and compares their normal forms.
func TestAllowRules(t *testing.T) {
	long := strings.Repeat("a", 63) + "." + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + "." + strings.Repeat("d", 61)
	for text, want := range map[string]string{
		"api.example.com:443":         "api.example.com:443",
		"API.Example.COM.:443":        "api.example.com:443",
		"*.internal.example:5432":     "*.internal.example:5432",
		"10.1.2.0/24:6379":            "10.1.2.0/24:6379",
		"10.1.2.3:80":                 "10.1.2.3:80",
		"10.1.2.3.:80":                "10.1.2.3:80",
		"10.1.2.3/32:80":              "10.1.2.3:80",
		"0.0.0.0/0:53":                "0.0.0.0/0:53",
		"[2001:DB8::7]:443":           "[2001:db8::7]:443",
		"[2001:db8:0:0::7]:443":       "[2001:db8::7]:443",
		"[2001:db8::/32]:443":         "[2001:db8::/32]:443",
		"[2001:db8::]/32:443":         "[2001:db8::/32]:443",
		"[::]:443":                    "[::]:443",
		"[::ffff:10.0.0.1]:80":        "10.0.0.1:80",
		"[::ffff:10.0.0.0/104]:80":    "10.0.0.0/8:80",
		"udp:dns.example:53":          "udp:dns.example:53",
		"UDP:10.0.0.0/8:53":           "udp:10.0.0.0/8:53",
		"udp:[2001:db8::7]:53":        "udp:[2001:db8::7]:53",
		"localhost:1":                 "localhost:1",
		"redis:65535":                 "redis:65535",
		"my_service:80":               "my_service:80",
		"_x._tcp.example:80":          "_x._tcp.example:80",
		"r3---sn-4g5.example.com:443": "r3---sn-4g5.example.com:443",
		"bücher.example:443":          "xn--bcher-kva.example:443",
		"BÜCHER.example:443":          "xn--bcher-kva.example:443",
		"xn--bcher-kva.example:443":   "xn--bcher-kva.example:443",
		"straße.example:443":          "xn--strae-oqa.example:443",
		"*.bücher.example:443":        "*.xn--bcher-kva.example:443",
		"api。example。com:443":         "api.example.com:443",
		"ａｐｉ.example.com:443":         "api.example.com:443",
		"１２７.０.０.１:80":                "127.0.0.1:80",
		"1.2.3.example:80":            "1.2.3.example:80",
		"0x7f.example:80":             "0x7f.example:80",
		"example.0xg:80":              "example.0xg:80",
		long + ":80":                  long + ":80",
	} {
		r, err := runtime.ParseAllowRule(text)
		if err != nil || r.String() != want {
			t.Errorf("%q is read as %q, %v; want %q", text, r, err, want)
		}
		if again, err := runtime.ParseAllowRule(want); err != nil || again != r {
			t.Errorf("%q is read as another rule than %q: %v", want, text, err)
		}
	}
	for _, text := range []string{
		"", ":", ":443", "example.com", "example.com:", "example.com:0", "example.com:65536", "example.com:+80", "example.com:080", "example.com:8 0",
		"example.com:http", "example.com:80-90", "example.com:*", "example.com:80,443", "*:443", "*.:443", "a.*.b:443", "*a.b:443", "*.*.b:443", "*.10.0.0.1:443",
		"*.10.0.0.0/8:443", "**.a:443", "udp:53", "udp::53", "udp:example.com", "tcp:example.com:80", "udp:udp:example.com:80", "https://example.com", "https://example.com:443",
		"example.com/path:443", "http://allowed@evil:80", "allowed@evil:80", "user:password@evil:80", "::1:443", "2001:db8::7:443", "[::1]", "[::1", "[::1:443", "::1]:443",
		"[]:443", "[10.0.0.1]:443", "[example.com]:443", "[fe80::1%eth0]:443", "fe80::1%eth0:443", "[[::1]]:443", "[::1]]:443", "[::1]x:443", "[::/0:443", "::/0]:443", "[10.0.0.0/8]:80", "2001:db8::/32:80",
		"127.1:80", "127.0.1:80", "2130706433:80", "0x7f.1:80", "0x7f000001:80", "0X7F.1:80", "0177.0.0.1:80", "127.0.0.01:80", "127.0.0.256:80", "1.2.3.4.5:80", "a.1:80", "a.0x:80", "127.1.:80", "１２７.１:80", "127。1:80", "1.2.3.4/24:80",
		"10.0.0.0/33:80", "10.0.0.0/-1:80", "10.0.0.0/08:80", "10.0.0.0/8/8:80", "10.0.0.0/:80", "/8:80", "127.0.0.1/24:80", "[2001:db8::1/32]:80", "[fe80::%eth0/64]:80", "[2001:db8::]/[32:80",
		".:80", "..:80", "a..b:80", ".a:80", "a.b..:80", "-a.b:80", "a-.b:80", "a b:80", " a:80", "a :80", "a\tb:80", "a\r\nb:80", "a\x00b:80", "a\u200bb\x00:80", "a%2eb:80", "a,b:80", "a;b:80", "a\\b:80", "a?b:80", "a#b:80",
		"xn--\xff:80", "\xff:80", "xn--zzzzzzzzzzz.example:80", strings.Repeat("a", 64) + ":80", "a." + long + ":80", "*." + long + ":80", strings.Repeat("ü", 60) + ":80",
		strings.Repeat("a.", 1000) + "a:80", strings.Repeat(":", 1000), strings.Repeat("[", 1000) + ":80",
	} {
		r, err := runtime.ParseAllowRule(text)
		e, ok := runtime.AsError(err)
		if !ok || e.Code != runtime.CodeInvalidArgument || e.Hint == "" || len(e.Message) > 500 {
			t.Errorf("%q is read as %q, %v", text, r, err)
		}
		if err != nil && strings.ContainsAny(e.Message, "\r\n\x00") {
			t.Errorf("%q: the message has control characters: %q", text, e.Message)
		}
	}
}

func TestAllowListIsBounded(t *testing.T) {
	many := slices.Repeat([]string{"a:80"}, runtime.MaxAllow)
	if rules, err := runtime.ParseAllow(many); err != nil || len(rules) != 1 {
		t.Errorf("%d rules, %v", len(rules), err)
	}
	if _, err := runtime.ParseAllow(append(many, "b:80")); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
		t.Errorf("%d rules: %v", len(many)+1, err)
	}
	got, err := runtime.NormalAllow([]string{"B.example:443", "a.example.:80", "b.example:443"})
	if want := []string{"b.example:443", "a.example:80"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := runtime.NormalAllow(nil); err != nil || got != nil {
		t.Errorf("nil became %q, %v", got, err)
	}
	if got, err := runtime.NormalAllow([]string{}); err != nil || got == nil || len(got) != 0 {
		t.Errorf("an empty list became %q, %v", got, err)
	}
}

func rule(t *testing.T, text string) runtime.AllowRule {
	t.Helper()
	r, err := runtime.ParseAllowRule(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAllowRulesMatch(t *testing.T) {
	for _, test := range []struct {
		rule, host string
		allowed    bool
	}{
		{"example.com:443", "example.com", true},
		{"example.com:443", "EXAMPLE.com.", true},
		{"example.com:443", "api.example.com", false},
		{"example.com:443", "example.com.evil.org", false},
		{"example.com:443", "notexample.com", false},
		{"*.example.com:443", "api.example.com", true},
		{"*.example.com:443", "a.b.c.example.com", true},
		{"*.example.com:443", "example.com", false},
		{"*.example.com:443", "notexample.com", false},
		{"*.example.com:443", "api.example.com.evil.org", false},
		{"10.0.0.1:443", "10.0.0.1", true},
		{"10.0.0.0/8:443", "10.255.0.1", true},
		{"10.0.0.0/8:443", "11.0.0.1", false},
		{"10.0.0.0/8:443", "[::ffff:10.0.0.1]", true},
		{"[2001:db8::/32]:443", "[2001:db8:1::1]", true},
		{"[2001:db8::/32]:443", "[2001:db9::1]", false},
		{"[::/0]:443", "10.0.0.1", false},
		{"0.0.0.0/0:443", "[2001:db8::1]", false},
		{"0.0.0.0/0:443", "example.com", false},
	} {
		name, address, err := runtime.ParseHost(test.host)
		if err != nil {
			t.Fatal(err)
		}
		r := rule(t, test.rule)
		allowed := address.IsValid() && r.AllowsAddress(address) || !address.IsValid() && r.AllowsName(name)
		if allowed != test.allowed {
			t.Errorf("%s allows %s: %v", test.rule, test.host, allowed)
		}
	}
}

func TestAllowRulesCover(t *testing.T) {
	for _, test := range []struct {
		rule, other string
		covers      bool
	}{
		{"a.b:1", "a.b:1", true},
		{"a.b:1", "a.b:2", false},
		{"a.b:1", "udp:a.b:1", false},
		{"*.b:1", "a.b:1", true},
		{"*.b:1", "*.b:1", true},
		{"*.b:1", "*.a.b:1", true},
		{"*.b:1", "b:1", false},
		{"*.a.b:1", "*.b:1", false},
		{"a.b:1", "*.b:1", false},
		{"a.b:1", "*.a.b:1", false},
		{"10.0.0.0/8:1", "10.1.0.0/16:1", true},
		{"10.1.0.0/16:1", "10.0.0.0/8:1", false},
		{"10.0.0.0/8:1", "11.0.0.1:1", false},
		{"0.0.0.0/0:1", "a.b:1", false},
		{"a.b:1", "0.0.0.0/0:1", false},
		{"0.0.0.0/0:1", "[::1]:1", false},
		{"[::/0]:1", "[::1]:1", true},
		{"[::/0]:1", "1.2.3.4:1", false},
	} {
		if covers := rule(t, test.rule).Covers(rule(t, test.other)); covers != test.covers {
			t.Errorf("%s covers %s: %v", test.rule, test.other, covers)
		}
	}
}

// FuzzAllowRule checks that a rule that is read has one normal form, which is read as the same rule,
// and that a host that it allows is one that it names.
func FuzzAllowRule(f *testing.F) {
	for _, text := range []string{"a.b:80", "*.ü.b:443", "udp:10.0.0.0/8:53", "[2001:db8::/32]:1", "[::ffff:1.2.3.4]:1", "１.2.3.4:1", "a。b.:1", "0x1:1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := runtime.ParseAllowRule(text)
		if err != nil {
			if e, ok := runtime.AsError(err); !ok || e.Code != runtime.CodeInvalidArgument || e.Hint == "" || len(e.Message) > 1000 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		normal := r.String()
		again, err := runtime.ParseAllowRule(normal)
		if err != nil || again != r || again.String() != normal || len(normal) > runtime.MaxAllowRule {
			t.Fatalf("%q is written as %q, which is read as %q, %v", text, normal, again, err)
		}
		for _, c := range []byte(normal) {
			if c <= ' ' || c >= 0x7f || c >= 'A' && c <= 'Z' || c == '@' || c == '\\' {
				t.Fatalf("%q is written as %q", text, normal)
			}
		}
		if !r.Covers(r) {
			t.Fatalf("%q does not cover itself", normal)
		}
		host := strings.TrimPrefix(normal, "udp:")
		host = host[:strings.LastIndexByte(host, ':')]
		host = strings.Replace(host, "*", "x", 1)
		if strings.Contains(host, "/") {
			host, _, _ = strings.Cut(strings.Trim(host, "[]"), "/")
		}
		name, address, err := runtime.ParseHost(host)
		if err != nil || r.AllowsName(name) == r.AllowsAddress(address) && name != "" || name == "" && !r.AllowsAddress(address) {
			t.Fatalf("%q does not allow %q (%q, %v): %v", normal, host, name, address, err)
		}
	})
}

// FuzzParseHost checks that a host is either a name of DNS or an address, and that its normal form is
// stable.
func FuzzParseHost(f *testing.F) {
	for _, text := range []string{"a.b.", "127.1", "[::1]", "::ffff:1.2.3.4", "ｅxample.com", "a\r\nb"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, address, err := runtime.ParseHost(text)
		if err != nil {
			return
		}
		normal := name
		if address.IsValid() {
			normal = address.String()
		}
		if (name == "") != address.IsValid() || address.Is4In6() || address.Zone() != "" || len(normal) > 253 {
			t.Fatalf("%q is read as %q, %v", text, name, address)
		}
		if _, err := netip.ParseAddr(name); name != "" && err == nil {
			t.Fatalf("%q is read as the name %q, which is an address", text, name)
		}
		name2, address2, err := runtime.ParseHost(normal)
		if err != nil || name2 != name || address2 != address {
			t.Fatalf("%q is read as %q, and that as %q, %v, %v", text, normal, name2, address2, err)
		}
	})
}

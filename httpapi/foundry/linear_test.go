package foundry

import (
	"fmt"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/linear"
)

// TestLinearSearches doubles bodies of searches.
func TestLinearSearches(t *testing.T) {
	leaf := `{"type":"eq","field":"userId","value":"u"}`
	for name, body := range map[string]func(n int) string{
		"leaves": func(n int) string {
			return `{"where":{"type":"and","filters":[` + strings.Repeat(leaf+",", n/len(leaf)) + leaf + `]}}`
		},
		"values": func(n int) string {
			return `{"where":{"type":"in","field":"userId","value":[` + strings.Repeat(`"u",`, n/4) + `"u"]}}`
		},
		"no strings": func(n int) string {
			return `{"where":{"type":"in","field":"userId","value":[` + strings.Repeat(`"u",`, n/4) + `0]}}`
		},
		"levels": func(n int) string {
			return `{"where":` + strings.Repeat(`{"type":"not","filter":`, 9) + `{"type":"in","field":"userId","value":["` + strings.Repeat("u", n) + `"]}` + strings.Repeat("}", 10)
		},
		"members": func(n int) string {
			var b strings.Builder
			for i := 0; b.Len() < n; i++ {
				fmt.Fprintf(&b, `"m%d":0,`, i)
			}
			return "{" + b.String() + `"pageSize":1}`
		},
		"a token": func(n int) string { return `{"pageToken":"` + strings.Repeat("A", n) + `"}` },
	} {
		t.Run(name, func(t *testing.T) {
			linear.Bytes(t, runtime.MiB, func(size int) func() {
				text := []byte(body(size))
				return func() {
					b, err := parseSearch(text)
					if err == nil && b.pageToken != "" {
						_, _ = pageToken{tenant: "a", where: b.where}.open(b.pageToken)
					}
				}
			})
		})
	}
}

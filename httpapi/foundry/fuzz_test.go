package foundry

import (
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// FuzzSearch reads bodies of searches. What is read is a valid search, and what is not is the client's
// fault.
func FuzzSearch(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `{"startTime":"2026-01-01T00:00:00Z","endTime":"2026-01-02T00:00:00.5+01:00","pageSize":10,"pageToken":"x"}`,
		`{"where":{"type":"and","filters":[{"type":"eq","field":"status","value":"FAILED"},{"type":"not","filter":{"type":"in","field":"userId","value":["a","b"]}}]}}`,
		`{"where":{"type":"gte","field":"duration","value":{"value":5,"unit":"SECONDS"}}}`, `{"where":{"type":"isNull","field":"user"}}`, `{"pageSize":0}`, `{"pageSize":1e3}`,
		`{"filter":{"type":"and","value":[{"type":"gte","field":"startTime","value":"2026-01-01T00:00:00Z"}]}}`, `{"where":null,"filter":{}}`,
		`{"where":` + strings.Repeat(`{"type":"not","filter":`, 20) + `{}` + strings.Repeat(`}`, 21),
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := parseSearch(body)
		if err != nil {
			if e, ok := runtime.AsError(err); !ok || e.Code != runtime.CodeInvalidArgument && e.Code != runtime.CodeTooLarge {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		if b.where != nil && b.where.Validate() != nil {
			t.Fatalf("%q is read as %+v: %v", body, b.where, b.where.Validate())
		}
	})
}

// FuzzPageToken reads tokens of pages. Only the token of this very query is read.
func FuzzPageToken(f *testing.F) {
	query := pageToken{tenant: "t", rid: "ri.function"}
	other := pageToken{tenant: "other", rid: "ri.function"}
	for _, token := range []string{query.seal("1.2.3.4"), other.seal("1.2.3.4"), query.seal("1.2.3.4") + "=", ""} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		position, err := query.open(token)
		if err != nil {
			if runtime.CodeOf(err) != runtime.CodeInvalidArgument {
				t.Fatalf("%q: %v", token, err)
			}
			return
		}
		if again := query.seal(position); again != token {
			t.Fatalf("%q is read as %q, whose token is %q", token, position, again)
		}
		if _, err := other.open(token); err == nil {
			t.Fatalf("%q is valid for another tenant", token)
		}
	})
}

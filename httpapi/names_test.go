package httpapi_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
)

// hostileNames are texts that mean something else to a file system, a store, a shell, a terminal, a page
// or a reader than what they look like. The last ones are odd and harmless.
var hostileNames = []string{
	"", " ", ".", "..", "...", "../x", "a/b", "/a", "a/", `a\b`, `..\a`, "C:a", "a\x00b", "\x00", "\x01", "\x7f", "a\nb", "a\rb", "a\tb", "a ", " a", "%2e%2e", "%00", "a%2fb", "a%",
	"a*", "a>", "a.*.>", "a?b", "a#b", "a&b", "a=b", "a+b", "a:b", "a;b", "a,b", "a'b", `a"b`, "`a`", "$(a)", "${a}", "{a}", "<script>", "a|b", "~a", "@a", "!a", "[a]", "(a)",
	"\u00e9", "e\u0301", "\u0430bc", "\uff41", "\u202eabc", "a\u200db", "\u2028", "\ufeff", "\U0001f40d", "\u0130", "\u0131", "\u017f", "\u212a", "\xff", "a\xc0\xafb", "\xed\xa0\x80",
	"-rf", "--help", "-", "_", ".py", strings.Repeat("a", 129), strings.Repeat("a", 10_000), strings.Repeat("\u00e9", 64),
	"con", "nul", "aux.py", "a.b", "a..b", "a-", "a_b", "A", "0", "null", "true", "__proto__", "constructor", "main", "default", "admin", "bulk", "rpc", "bundle", strings.Repeat("a", 128), strings.Repeat("a", 63), strings.Repeat("a", 49),
}

// quoted returns a text as JSON, with bytes that are no UTF-8 as they are.
func quoted(text string) string {
	if !utf8.ValidString(text) {
		return `"` + text + `"`
	}
	out, err := json.Marshal(text)
	if err != nil {
		panic(err) // the test's own text
	}
	return string(out)
}

// TestNamesInRequests puts hostile texts wherever a request has a name: those that match the rule of the
// place are accepted and shown as they are, all others are 400, and what is there stays as it is.
func TestNamesInRequests(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	good := s.Do(t, "GET", "/v1/functions/hello.py", "", nil).Body
	for _, body := range []string{`{"metadata":{"name":"good"},"spec":{"function":"hello.py"}}`, `{"metadata":{"name":"triggered"},"spec":{"function":"hello.py"}}`} {
		if a := s.Do(t, "POST", "/v0/jobs", body, nil); a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	const token = `[A-Za-z0-9._-]`
	for place, c := range map[string]struct {
		method, path, body string // NAME is the name
		rule               string // of the names that are accepted
		except             []string
		hidden             bool // the answer does not have the name
	}{
		"function":               {"PUT", "/v1/functions/", `{"name":NAME,"code":"def main(args, context): pass"}`, `^[A-Za-z0-9_]` + token + `{0,127}$`, nil, true},
		"job":                    {"POST", "/v0/jobs", `{"metadata":{"name":NAME},"spec":{"function":"hello.py"}}`, `^[a-z0-9]([a-z0-9-]{0,47}[a-z0-9])?$`, nil, false},
		"execution":              {"POST", "/v0/jobs/good/executions", `{"executionId":NAME,"tasks":[{}]}`, `^` + token + `{0,128}$`, nil, false}, // empty: none
		"tenant":                 {"POST", "/v1/tenants/", `{"name":NAME}`, `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`, []string{"default"}, false},
		"token":                  {"POST", "/v1/tokens/", `{"name":NAME,"scope":"read"}`, `^[A-Za-z0-9_]` + token + `{0,63}$`, []string{"admin"}, false},
		"path of a trigger":      {"PUT", "/v0/jobs/triggered", `{"metadata":{"name":"triggered"},"spec":{"function":"hello.py","triggers":[{"type":"http","configuration":{"path":NAME}}]}}`, `^/*[A-Za-z0-9._~-]{1,200}(/[A-Za-z0-9._~-]+)*/*$`, []string{".", "..", "../x"}, false},
		"id of a trigger":        {"PUT", "/v0/jobs/triggered", `{"metadata":{"name":"triggered"},"spec":{"function":"hello.py","triggers":[{"id":NAME,"type":"http","configuration":{"path":"p"}}]}}`, `^` + token + `{0,128}$`, nil, false}, // empty: made by the server
		"variable":               {"PUT", "/v0/jobs/triggered", `{"metadata":{"name":"triggered"},"spec":{"function":"hello.py","runtime":{"envs":[{"name":NAME,"value":"x"}]}}}`, `^[A-Za-z_][A-Za-z0-9_]{0,127}$`, nil, false},
		"variable of executions": {"POST", "/v0/jobs/good/executions", `{"env":{NAME:"x"},"tasks":[{}]}`, `^[A-Za-z_][A-Za-z0-9_]{0,127}$`, nil, true},
	} {
		t.Run(place, func(t *testing.T) {
			rule := regexp.MustCompile(c.rule)
			for _, name := range hostileNames {
				a := s.Do(t, c.method, c.path, strings.ReplaceAll(c.body, "NAME", quoted(name)), nil)
				accepted := rule.MatchString(name) && !slices.Contains(c.except, name)
				switch {
				case accepted && a.Status != 200:
					t.Errorf("%.100q: %d %s", name, a.Status, a.Body)
				case accepted && !c.hidden && !strings.Contains(a.Body, strings.Trim(name, "/")):
					t.Errorf("%.100q is not in the answer: %s", name, a.Body)
				case !accepted && a.Status != 400 && (a.Status != 409 || name != "default" && name != "admin"):
					t.Errorf("%.100q: %d %s", name, a.Status, a.Body)
				case strings.ContainsAny(a.Body, "\x00\x1b") || strings.Contains(a.Body, "\u202e") || len(a.Body) > 3_000:
					t.Errorf("%.100q is shown raw or in full: %.300q", name, a.Body)
				}
			}
		})
	}
	if diff := cmp.Diff(good, s.Do(t, "GET", "/v1/functions/hello.py", "", nil).Body); diff != "" {
		t.Errorf("the function that was there has changed: %s", diff)
	}
	var listed []struct{ Name string }
	if err := json.Unmarshal([]byte(s.Do(t, "GET", "/v1/functions/?limit=1000", "", nil).Body), &listed); err != nil {
		t.Fatal(err)
	}
	for _, f := range listed {
		if f.Name != "hello.py" && !slices.Contains(hostileNames, f.Name) {
			t.Errorf("a function is listed as %q", f.Name)
		}
	}
}

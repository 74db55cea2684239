package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/internal/web"
)

// TestBodiesThatAreNoJSON sends forms, text and other media to every route that reads a body. The error
// says what the body is, what it must be, and which header to send.
func TestBodiesThatAreNoJSON(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	s := apitest.Start(t, fake, func(o *httpapi.Options) { o.Engine = apitest.FullEngine{Fake: fake} })
	apitest.EveryPath(httpapi.Routes(), func(r web.Route, path string) {
		if (r.Body != "" || r.Spools) != (r.MaxBody != web.NoBody) {
			t.Errorf("%s %s: up to %d bytes of body, which must be %q", r.Method, r.Path, r.MaxBody, r.Body)
		}
		if r.Body == "" {
			return
		}
		for _, test := range []struct{ kind, body, is string }{
			{"application/x-www-form-urlencoded", "name=you&n=1", "a form"},
			{"Application/X-WWW-Form-Urlencoded; charset=UTF-8", "name=you", "a form"},
			{"multipart/form-data; boundary=xyz", "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--xyz--\r\n", "a form"},
			{"text/plain", "hello", "plain text"},
			{"text/plain; charset=utf-8", "5", "plain text"},
			{"application/xml", "<a/>", "of another type"},
			{"application/yaml", "a: 1", "of another type"},
			{"application/octet-stream", "\x00", "of another type"},
		} {
			a := s.Do(t, r.Method, path, test.body, apitest.Header{"Content-Type": test.kind})
			if kind, _, _ := strings.Cut(strings.ToLower(test.kind), ";"); a.Status != http.StatusBadRequest ||
				!strings.Contains(a.Body, "the body is "+test.is+" (Content-Type: "+kind+"), and it must be a JSON ") || !strings.Contains(a.Body, "Content-Type: application/json") {
				t.Errorf("%s %s with a body of %s: %d %s", r.Method, path, test.kind, a.Status, a.Body)
			}
		}
		want := s.Do(t, r.Method, path, apitest.BodyFor(r), nil).Status
		for _, kind := range []string{"application/x-www-form-urlencoded", "text/plain", "application/problem+json", "application/json; charset=utf-8"} {
			if a := s.Do(t, r.Method, path, " \n"+apitest.BodyFor(r), apitest.Header{"Content-Type": kind}); a.Status != want {
				t.Errorf("%s %s with JSON as %s: %d %s, want %d", r.Method, path, kind, a.Status, a.Body, want)
			}
		}
	})
}

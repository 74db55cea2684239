package httpapi_test

import (
	"archive/zip"
	"bytes"
	"testing"

	"github.com/faaspot/faaspot/clients/python"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
)

// TestPythonClient checks that everyone may download the Python client, by GET and HEAD, and need not
// download it twice.
func TestPythonClient(t *testing.T) {
	t.Parallel()
	ts := apitest.Start(t, &apitest.Fake{}, nil)
	nobody := apitest.Header{"Authorization": ""}
	path := "/client/" + python.WheelName()
	a := ts.Do(t, "GET", path, "", nobody)
	tag := a.Header.Get("ETag")
	if a.Status != 200 || a.Header.Get("Content-Type") != "application/octet-stream" || len(tag) < 10 {
		t.Fatalf("%d %v", a.Status, a.Header)
	}
	if _, err := zip.NewReader(bytes.NewReader([]byte(a.Body)), int64(len(a.Body))); err != nil {
		t.Error(err)
	}
	if short := ts.Do(t, "GET", "/client/faaspot-1.0-py3-none-any.whl", "", nobody); short.Body != a.Body {
		t.Errorf("without the last zero: %d %.200s", short.Status, short.Body)
	}
	if head := ts.Do(t, "HEAD", path, "", nobody); head.Status != 200 || head.Header.Get("ETag") != tag || head.Body != "" {
		t.Errorf("HEAD: %d %v", head.Status, head.Header)
	}
	for _, tags := range []string{tag, `"other", ` + tag, "W/" + tag} {
		if again := ts.Do(t, "GET", path, "", apitest.Header{"Authorization": "", "If-None-Match": tags}); again.Status != 304 || again.Body != "" {
			t.Errorf("If-None-Match %s: %d", tags, again.Status)
		}
	}
	for _, name := range []string{"faaspot-2.0.0-py3-none-any.whl", "faaspot--py3-none-any.whl", "faaspot-1.0.0.tar.gz", "faaspot-1.0.00-py3-none-any.whl", "..%2fopenapi.json"} {
		if other := ts.Do(t, "GET", "/client/"+name, "", nobody); other.Status != 404 {
			t.Errorf("%s: %d", name, other.Status)
		}
	}
}

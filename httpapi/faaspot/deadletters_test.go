package faaspot_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
)

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts := apitest.Start(t, fake, nil)
	list := ts.Do(t, "GET", "/v1/dlq/?limit=1", "", nil)
	const want = `{"id":"` + apitest.ID + `","job":"nightly","execution":"` + apitest.ID + `","url":"https://example.com/hook","created":`
	if list.Status != 200 || !strings.HasPrefix(list.Body, "["+want) || strings.Contains(list.Body, `"body":`) || !strings.Contains(list.Body, `"last_status":null`) {
		t.Errorf("%d %s", list.Status, list.Body)
	}
	if link := list.Header.Get("Link"); link != `</v1/dlq/?after=`+apitest.ID+`&limit=1>; rel="next"` {
		t.Errorf("the next page is %s", link)
	}
	one := ts.Do(t, "GET", "/v1/dlq/"+apitest.ID, "", nil)
	if one.Status != 200 || !strings.HasPrefix(one.Body, want) || !strings.Contains(one.Body, `"body_size":19,"body":{"status":"failed"}`) {
		t.Errorf("%d %s", one.Status, one.Body)
	}
	for _, a := range []apitest.Answer{list, one} {
		if strings.Contains(a.Body, apitest.Secret) {
			t.Errorf("the response has the secret: %s", a.Body)
		}
	}
	for _, test := range []struct {
		method, path, body string
		ids                []string // nil: all
		want               string
	}{
		{"POST", "/v1/dlq/redrive", "", nil, `{"count":1}`},
		{"POST", "/v1/dlq/redrive/", "{}", nil, `{"count":1}`},
		{"POST", "/v1/dlq/redrive", `{"ids":null}`, nil, `{"count":1}`},
		{"POST", "/v1/dlq/redrive", `{"ids":["a","b"]}`, []string{"a", "b"}, `{"count":2}`},
		{"POST", "/v1/dlq/a/redrive", "", []string{"a"}, `{"count":1}`},
		{"DELETE", "/v1/dlq/a/", "", []string{"a"}, `{"count":1}`},
		{"DELETE", "/v1/dlq", "", nil, `{"count":1}`},
	} {
		a := ts.Do(t, test.method, test.path, test.body, nil)
		if a.Status != 200 || a.Body != test.want || !slices.Equal(fake.Letters, test.ids) || (fake.Letters == nil) != (test.ids == nil) {
			t.Errorf("%s %s %s: %d %s for %q", test.method, test.path, test.body, a.Status, a.Body, fake.Letters)
		}
	}
	fake.Letters = []string{"untouched"}
	// No ids at all are not all of them.
	if a := ts.Do(t, "POST", "/v1/dlq/redrive", `{"ids":[]}`, nil); a.Status != 200 || fake.Letters == nil || len(fake.Letters) != 0 {
		t.Errorf("%d %s for %q", a.Status, a.Body, fake.Letters)
	}
	fake.Letters = []string{"untouched"}
	for _, body := range []string{`[]`, `{"ids":"a"}`, `{"ids":[1]}`, `{"id":["a"]}`, `{"ids":["a"],"ids":[]}`, `{`} {
		if a := ts.Do(t, "POST", "/v1/dlq/redrive", body, nil); a.Status != 400 || !slices.Equal(fake.Letters, []string{"untouched"}) {
			t.Errorf("%s: %d %s", body, a.Status, a.Body)
		}
	}
	fake.Failing = runtime.Errorf(runtime.CodeNotFound, "there is none")
	for _, path := range []string{"GET /v1/dlq/" + apitest.ID, "POST /v1/dlq/" + apitest.ID + "/redrive", "DELETE /v1/dlq/" + apitest.ID} {
		method, path, _ := strings.Cut(path, " ")
		if a := ts.Do(t, method, path, "", nil); a.Status != 404 || !strings.Contains(a.Body, `"error_code":"not_found"`) {
			t.Errorf("%s %s: %d %s", method, path, a.Status, a.Body)
		}
	}
}

package httpapi

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

func TestDeadLetters(t *testing.T) {
	fake := fullFake()
	ts := start(t, fake, nil)
	list := ts.do(t, "GET", "/v1/dlq/?limit=1", "", nil)
	const told = `{"id":"` + testID + `","job":"nightly","execution":"` + testID + `","url":"https://example.com/hook","created":`
	if list.status != 200 || !strings.HasPrefix(list.body, "["+told) || strings.Contains(list.body, `"body":`) || !strings.Contains(list.body, `"last_status":null`) {
		t.Errorf("%d %s", list.status, list.body)
	}
	if link := list.header.Get("Link"); link != `</v1/dlq/?after=`+testID+`&limit=1>; rel="next"` {
		t.Errorf("the next page is %s", link)
	}
	one := ts.do(t, "GET", "/v1/dlq/"+testID, "", nil)
	if one.status != 200 || !strings.HasPrefix(one.body, told) || !strings.Contains(one.body, `"body_size":19,"body":{"status":"failed"}`) {
		t.Errorf("%d %s", one.status, one.body)
	}
	for _, a := range []answer{list, one} {
		if strings.Contains(a.body, testSecret) {
			t.Errorf("the secret is told: %s", a.body)
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
		a := ts.do(t, test.method, test.path, test.body, nil)
		if a.status != 200 || a.body != test.want || !slices.Equal(fake.letters, test.ids) || (fake.letters == nil) != (test.ids == nil) {
			t.Errorf("%s %s %s: %d %s for %q", test.method, test.path, test.body, a.status, a.body, fake.letters)
		}
	}
	fake.letters = []string{"untouched"}
	// No ids at all are not all of them.
	if a := ts.do(t, "POST", "/v1/dlq/redrive", `{"ids":[]}`, nil); a.status != 200 || fake.letters == nil || len(fake.letters) != 0 {
		t.Errorf("%d %s for %q", a.status, a.body, fake.letters)
	}
	fake.letters = []string{"untouched"}
	for _, body := range []string{`[]`, `{"ids":"a"}`, `{"ids":[1]}`, `{"id":["a"]}`, `{"ids":["a"],"ids":[]}`, `{`} {
		if a := ts.do(t, "POST", "/v1/dlq/redrive", body, nil); a.status != 400 || !slices.Equal(fake.letters, []string{"untouched"}) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	fake.failing = runtime.Errorf(runtime.CodeNotFound, "there is none")
	for _, path := range []string{"GET /v1/dlq/" + testID, "POST /v1/dlq/" + testID + "/redrive", "DELETE /v1/dlq/" + testID} {
		method, path, _ := strings.Cut(path, " ")
		if a := ts.do(t, method, path, "", nil); a.status != 404 || !strings.Contains(a.body, `"error_code":"not_found"`) {
			t.Errorf("%s %s: %d %s", method, path, a.status, a.body)
		}
	}
}

// eventually waits for what another goroutine does.
func eventually(t *testing.T, done func() bool) {
	t.Helper()
	for began := time.Now(); !done(); time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("it does not come about")
		}
	}
}

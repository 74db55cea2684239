package faaspot_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/faaspot"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

const source = "def main(args, context):\n    return '%s is 100%% %20' % args['name']  # é🐍\n"

func TestCreate(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts := apitest.Start(t, fake, nil)
	for name, c := range map[string]struct {
		body map[string]any
		want runtime.FunctionSpec
	}{
		"plain": {
			map[string]any{"name": "a.py", "code": source},
			runtime.FunctionSpec{Name: "a.py", Source: []byte(source)},
		},
		"quoted": {
			map[string]any{"name": "a", "code": faaspot.Quote([]byte(source)), "context": faaspot.Quote([]byte("key = \"v%20\"\n"))},
			runtime.FunctionSpec{Name: "a", Source: []byte(source), Context: json.RawMessage(`{"key":"v%20"}`)},
		},
		"percent": {
			map[string]any{"name": "a", "code": "def main(args,%20context): pass", "encoding": "percent"},
			runtime.FunctionSpec{Name: "a", Source: []byte("def main(args, context): pass")},
		},
		"plain on request": {
			map[string]any{"name": "a", "code": "a%20b", "encoding": "plain"},
			runtime.FunctionSpec{Name: "a", Source: []byte("a%20b")},
		},
		"all": {
			map[string]any{"name": "a", "code": source, "context": map[string]any{"k": []any{1, "x"}}, "timeout": 1.5, "memory": 64.5, "retries": 10, "allow": []string{"*.example.com:443", "10.0.0.0/8:1"}},
			runtime.FunctionSpec{
				Name: "a", Retries: 10, Allow: []string{"*.example.com:443", "10.0.0.0/8:1"}, Source: []byte(source), Context: json.RawMessage(`{"k":[1,"x"]}`),
				Limits: runtime.Limits{Timeout: 1500 * time.Millisecond, Memory: 64*runtime.MiB + runtime.MiB/2},
			},
		},
		"nulls, empty requirements and unknown members": {
			map[string]any{
				"name": "a", "code": source, "context": nil, "timeout": nil, "memory": nil, "allow": nil, "encoding": nil,
				"requirements": "%0A", "interpreter": "python2.7",
			},
			runtime.FunctionSpec{Name: "a", Source: []byte(source)},
		},
		"empty context": {
			map[string]any{"name": "a", "code": source, "context": "", "requirements": []any{}},
			runtime.FunctionSpec{Name: "a", Source: []byte(source), Context: json.RawMessage(`{}`)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			fake.Renew(nil)
			a := ts.Do(t, "PUT", "/v1/functions/", apitest.JSONBody(t, c.body), nil)
			if a.Status != 200 || a.Body != `"`+apitest.ID+`"` {
				t.Fatalf("got %d %s", a.Status, a.Body)
			}
			apitest.WantHeaders(t, a)
			c.want.Tenant, c.want.UserID = runtime.DefaultTenant, runtime.AdminUser
			if diff := cmp.Diff([]runtime.FunctionSpec{c.want}, fake.Created); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts := apitest.Start(t, fake, nil)
	timeout, memory, retries, name := 2*time.Second, int64(128*runtime.MiB), 0, "b.py"
	longest, most := 24*time.Hour, int64(3072*runtime.MiB)
	for body, want := range map[string]runtime.FunctionUpdate{
		`{}`:                {},
		`{"name":"b.py"}`:   {NewName: &name},
		`{"timeout":2}`:     {Timeout: &timeout},
		`{"memory":128}`:    {Memory: &memory},
		`{"memory":3072}`:   {Memory: &most},
		`{"timeout":86400}`: {Timeout: &longest},
		`{"retries":0}`:     {Retries: &retries},
		`{"allow":["a:1"]}`: {Allow: []string{"a:1"}},
		`{"allow":[]}`:      {Allow: []string{}},
		`{"allow":null}`:    {},
		`{"code":"x%20y "}`: {Source: []byte("x%20y ")},
		`{"code":"x%20y"}`:  {Source: []byte("x y")},
		`{"context":{}}`:    {Context: json.RawMessage(`{}`)},
		`{"context":""}`:    {Context: json.RawMessage(`{}`)},
		`{"context":"a=1\r\nb.c=true # x\n","name":null,"code":null}`: {Context: json.RawMessage(`{"a":1,"b":{"c":true}}`)},
	} {
		fake.Renew(nil)
		a := ts.Do(t, "PATCH", "/v1/functions/a.py", body, nil)
		if a.Status != 200 || a.Body != `"`+apitest.ID+`"` {
			t.Fatalf("%s: got %d %s", body, a.Status, a.Body)
		}
		want.Tenant, want.Name = runtime.DefaultTenant, "a.py"
		want.UserID = runtime.AdminUser
		if diff := cmp.Diff([]runtime.FunctionUpdate{want}, fake.Updated); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
}

// TestPut checks that a body of a creation becomes an update that may create.
func TestPut(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts := apitest.Start(t, fake, nil)
	timeout := 2 * time.Second
	for body, want := range map[string]runtime.FunctionUpdate{
		`{"code":"x y"}`:               {Source: []byte("x y")},
		`{"name":"a.py","code":"x y"}`: {Source: []byte("x y")},
		`{"name":null,"code":"x y","timeout":2,"context":"a = 1\n"}`: {Source: []byte("x y"), Timeout: &timeout, Context: json.RawMessage(`{"a":1}`)},
	} {
		fake.Renew(nil)
		a := ts.Do(t, "PUT", "/v1/functions/a.py", body, nil)
		if a.Status != 200 || a.Body != `"`+apitest.ID+`"` {
			t.Fatalf("%s: got %d %s", body, a.Status, a.Body)
		}
		want.Tenant, want.Name, want.Create, want.UserID = runtime.DefaultTenant, "a.py", true, runtime.AdminUser
		if diff := cmp.Diff([]runtime.FunctionUpdate{want}, fake.Updated); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
	for body, message := range map[string]string{
		`{}`:                        `\"code\" is missing`,
		`{"timeout":2}`:             `\"code\" is missing`,
		`{"name":"b","code":"x"}`:   `\"name\" is \"b\", but the path has \"a.py\"`,
		`{"name":"../","code":"x"}`: `name`,
	} {
		if a := ts.Do(t, "PUT", "/v1/functions/a.py", body, nil); a.Status != 400 || !strings.Contains(a.Body, message) {
			t.Errorf("%s: got %d %s", body, a.Status, a.Body)
		}
	}
}

// TestChangesSendTheirKey checks that the answer marks a change that was made before.
func TestChangesSendTheirKey(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts := apitest.Start(t, fake, nil)
	fake.Replayed = true
	for method, path := range map[string]string{"PUT": "/v1/functions/", "PATCH": "/v1/functions/a", "DELETE": "/v1/functions/a"} {
		a := ts.Do(t, method, path, `{"name":"a","code":"pass"}`, apitest.Header{"Idempotency-Key": "k"})
		if a.Status != 200 || a.Body != `"`+apitest.ID+`"` || a.Header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s: %d %s %v", method, a.Status, a.Body, a.Header)
		}
	}
	if fake.Created[0].IdempotencyKey != "k" || fake.Updated[0].IdempotencyKey != "k" || fake.Deleted[0].IdempotencyKey != "k" {
		t.Errorf("%+v %+v %+v", fake.Created, fake.Updated, fake.Deleted)
	}
}

func TestBadBodies(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts := apitest.Start(t, fake, nil)
	member := func(m string) string { return `{"name":"a","code":"pass",` + m + `}` }
	for body, want := range map[string]struct {
		line    int
		message string // a part of it
	}{
		``:                                     {0, "empty"},
		`  `:                                   {0, "empty"},
		`null`:                                 {1, "object"},
		`[]`:                                   {1, "object"},
		`"x"`:                                  {1, "object"},
		"{\n\"name\": ,\n}":                    {2, "JSON"},
		"{\n\n\"name\": \"a":                   {3, "JSON"},
		"{}\n{}":                               {2, "JSON"},
		"\xef\xbb\xbf{}":                       {1, "byte order mark"},
		"{\"name\":\"a\",\n\"code\":\"\xff\"}": {2, "JSON"},
		`{"name":"a","code":"\ud800"}`:         {1, "JSON"},
		`{"name":"a","code":"x","code":"y"}`:   {1, "twice"},
		`{"name":"a","code":` + strings.Repeat("[", 100_000): {1, "deep"},
		`{"code":"pass"}`:                     {0, `"name" is missing`},
		`{"name":"a"}`:                        {0, `"code" is missing`},
		`{"name":"a","code":""}`:              {0, `"code" is empty`},
		`{"name":"a","code":7}`:               {0, `"code" is not a string`},
		`{"name":["a"],"code":"pass"}`:        {0, `"name" is not a string`},
		`{"name":"","code":"pass"}`:           {0, "name"},
		`{"name":"../a","code":"pass"}`:       {0, "name"},
		`{"name":"а","code":"pass"}`:          {0, "name"}, // Cyrillic
		member(`"timeout":"5"`):               {0, `"timeout" is not a number`},
		member(`"timeout":0`):                 {0, `"timeout" of 0 seconds`},
		member(`"timeout":-1`):                {0, `"timeout"`},
		member(`"timeout":1e300`):             {0, `"timeout"`},
		member(`"timeout":1e999`):             {1, "timeout"},
		member(`"retries":-1`):                {0, `"retries" of -1`},
		member(`"retries":11`):                {0, `"retries" of 11`},
		member(`"retries":0.5`):               {0, `"retries" of 0.5`},
		member(`"retries":1e300`):             {0, `"retries"`},
		member(`"retries":"1"`):               {0, `"retries" is not a number`},
		member(`"allow":"a:1"`):               {0, `"allow" is not an array`},
		member(`"allow":{"a":1}`):             {0, `"allow" is not an array`},
		member(`"allow":["a:1",2]`):           {0, `"allow" is not an array of strings`},
		member(`"allow":[null]`):              {0, `"allow" is not an array of strings`},
		member(`"allow":["a:1","https://b"]`): {0, `"allow": the rule "https://b" cannot be allowed`},
		member(`"allow":["127.1:80"]`):        {0, `its last part is a number`},
		member(`"allow":["a\r\nb:80"]`):       {0, `"allow": the rule`},
		member(`"allow":[` + strings.Repeat(`"a:1",`, 100) + `"a:1"]`): {0, `"allow": the allow list has more than 100 rules`},
		member(`"allow":[` + strings.Repeat(`"",`, 100_000) + `""]`):   {0, `"allow"`},
		member(`"memory":true`):                                               {0, `"memory" is not a number`},
		member(`"memory":63`):                                                 {0, `"memory" of 63 MB`},
		member(`"memory":1e18`):                                               {0, `"memory"`},
		member(`"memory":3073`):                                               {0, `"memory" of 3073 MB`},
		member(`"timeout":86401`):                                             {0, `"timeout" of 86401 seconds`},
		member(`"encoding":"base64"`):                                         {0, "encoding"},
		member(`"encoding":1`):                                                {0, `"encoding" is not a string`},
		`{"name":"a","code":"a\nb%2","encoding":"percent"}`:                   {2, `"code"`},
		`{"name":"a","code":"%ff","encoding":"percent"}`:                      {0, "UTF-8"},
		member(`"context":7`):                                                 {0, `"context"`},
		member(`"context":["a"]`):                                             {0, `"context"`},
		member(`"context":"a = 1\nb\n"`):                                      {2, "line 2"},
		member(`"context":"a = 1\na = 2"`):                                    {2, "already defined"},
		member(`"context":"{\n\"a\": 1,\n}"`):                                 {3, "line 3"},
		member(`"context":"{\"a\": 1, \"a\": 2}"`):                            {1, "twice"},
		member(`"context":"{} x"`):                                            {1, "follows"},
		member(`"context":"x.y = [1, nan]"`):                                  {0, `"x.y"`},
		member(`"context":"` + strings.Repeat("a.", 100_000) + `a = 1"`):      {1, "deep"},
		member(`"context":"a = 1\nb = ` + strings.Repeat("[", 100_000) + `"`): {2, "deep"},
		member(`"requirements":"requests==2.0"`):                              {0, "third-party"},
		member(`"requirements":["requests"]`):                                 {0, "third-party"},
		member(`"requirements":{"a":1}`):                                      {0, "third-party"},
	} {
		a := ts.Do(t, "PUT", "/v1/functions/", body, nil)
		m := apitest.WantError(t, a, 400, "invalid_argument")
		line, _ := m["line"].(float64)
		if int(line) != want.line || !strings.Contains(m["message"].(string), want.message) {
			t.Errorf("%.60s: got %s; want line %d and %q", body, a.Body, want.line, want.message)
		}
	}
	if len(fake.Created) > 0 {
		t.Errorf("created %+v", fake.Created)
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts := apitest.StartTCP(t, fake, nil)
	create := func(code, context string) string {
		return apitest.JSONBody(t, map[string]any{"name": "a", "code": code, "context": context})
	}
	fits := strings.Repeat("#", runtime.MaxSource)
	for name, c := range map[string]struct {
		method, path, body string
		status             int
	}{
		"code that fits":        {"PUT", "/v1/functions/", create(fits, ""), 200},
		"quoted code that fits": {"PUT", "/v1/functions/", create(faaspot.Quote([]byte(fits)), ""), 200},
		"code":                  {"PUT", "/v1/functions/", create(fits+"#", ""), 413},
		"quoted code":           {"PUT", "/v1/functions/", create(faaspot.Quote([]byte(fits+"#")), ""), 413},
		"context":               {"PUT", "/v1/functions/", create("pass", strings.Repeat("#", runtime.MaxContext+1)), 413},
		"body of create":        {"PUT", "/v1/functions/", strings.Repeat(" ", faaspot.MaxFunctionBody+1), 413},
		"body of delete":        {"DELETE", "/v1/functions/a", strings.Repeat(" ", web.NoBody+1), 413},
		"args that fit":         {"POST", "/v1/sync/functions/a/rpc/", "{" + strings.Repeat(" ", runtime.MaxArgs-2) + "}", 200},
		"args":                  {"POST", "/v1/sync/functions/a/rpc/", "{" + strings.Repeat(" ", runtime.MaxArgs-1) + "}", 413},
		"twice the args":        {"POST", "/v1/sync/functions/a/rpc/", strings.Repeat(" ", 2*runtime.MaxArgs), 413},
	} {
		t.Run(name, func(t *testing.T) {
			a := ts.Do(t, c.method, c.path, c.body, nil)
			if c.status == 200 && a.Status != 200 {
				t.Fatalf("got %d %s", a.Status, a.Body)
			} else if c.status != 200 {
				apitest.WantError(t, a, 413, "too_large")
			}
		})
	}
	if got := len(fake.Ran[0].Args); len(fake.Ran) != 1 || got != runtime.MaxArgs {
		t.Errorf("%d runs, args of %d bytes", len(fake.Ran), got)
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{Detail: runtime.FunctionDetail{
		Function: runtime.Function{ID: apitest.ID, Version: 3, Created: apitest.Time, Updated: apitest.Time.Add(time.Hour)},
		Version: runtime.Version{
			Source:  []byte(source),
			Context: []byte(`{"token":"s3cret","a":{"b":"s3cret"}}`),
			Limits:  runtime.Limits{Timeout: 1500 * time.Millisecond},
			Retries: 4,
			Allow:   []string{"*.example.com:443"},
		},
	}}
	ts := apitest.Start(t, fake, nil)
	want := map[string]any{
		"name": "hello.py", "rid": "ri.function-registry.main.function." + apitest.ID, "runner_url": "http://api.test/v1/functions/hello.py/rpc/",
		"version": 3.0, "created": "2026-03-04 05:06:07.891011+00:00", "updated": "2026-03-04 06:06:07.891011+00:00",
		"code": faaspot.Quote([]byte(source)), "encoding": "percent",
		"timeout": 1.5, "memory": 128.0, "retries": 4.0, "allow": []any{"*.example.com:443"}, "context_keys": []any{"a", "token"}, "keep_args": false, "paused": false,
	}
	a := ts.Do(t, "GET", "/v1/functions/hello.py", "", nil)
	if diff := cmp.Diff(want, a.Object(t)); diff != "" || a.Status != 200 {
		t.Errorf("%d %s", a.Status, diff)
	}
	if strings.Contains(a.Body, "s3cret") {
		t.Error("a secret is in the answer")
	}
	if plain, err := url.PathUnescape(a.Object(t)["code"].(string)); err != nil || plain != source {
		t.Errorf("code decodes to %q, %v", plain, err)
	}

	want["code"], want["encoding"] = source, "plain"
	a = ts.Do(t, "GET", "/v1/functions/hello.py/?encoding=plain", "", nil)
	if diff := cmp.Diff(want, a.Object(t)); diff != "" {
		t.Error(diff)
	}
	apitest.WantError(t, ts.Do(t, "GET", "/v1/functions/hello.py?encoding=rot13", "", nil), 400, "invalid_argument")

	// An update accepts the answer to a get.
	fake.Detail.Version.Context, fake.Detail.Version.Allow = nil, nil
	fake.Detail.RunImports = []string{"pkg.lazy", "wave"}
	a = ts.Do(t, "GET", "/v1/functions/hello.py", "", nil)
	if got := a.Object(t)["context_keys"]; !reflect.DeepEqual(got, []any{}) {
		t.Errorf("context_keys %v", got)
	}
	if got := a.Object(t)["allow"]; !reflect.DeepEqual(got, []any{}) {
		t.Errorf("allow %v", got)
	}
	if got := a.Object(t)["imports_during_runs"]; !reflect.DeepEqual(got, []any{"pkg.lazy", "wave"}) {
		t.Errorf("imports_during_runs %v", got)
	}
	if a := ts.Do(t, "PATCH", "/v1/functions/hello.py", a.Body, nil); a.Status != 200 {
		t.Fatalf("PATCH: %d %s", a.Status, a.Body)
	}
	if got := string(fake.Updated[0].Source); got != source {
		t.Errorf("code came back as %q", got)
	}

	fake.Detail.Version.Context = []byte(`["s3cret"]`)
	a = ts.Do(t, "GET", "/v1/functions/hello.py", "", nil)
	apitest.WantError(t, a, 500, "internal")
	if strings.Contains(ts.Log.String()+a.Body, "s3cret") {
		t.Error("a secret is in the log or the answer")
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	fake := &apitest.Fake{}
	ts := apitest.Start(t, fake, func(o *httpapi.Options) { o.BaseURL = "https://faas.example.com/" })
	list := func(query string) (names []string, link string) {
		t.Helper()
		a := ts.Do(t, "GET", "/v1/functions/"+query, "", nil)
		var got []map[string]any
		if err := json.Unmarshal([]byte(a.Body), &got); err != nil || a.Status != 200 || got == nil {
			t.Fatalf("%d %s: %v", a.Status, a.Body, err)
		}
		for _, f := range got {
			names = append(names, f["name"].(string))
		}
		return names, a.Header.Get("Link")
	}
	if names, link := list(""); len(names) != 0 || link != "" {
		t.Errorf("of nothing: %v %q", names, link)
	}

	for i := range faaspot.MaxList + 1 {
		fake.Functions = append(fake.Functions, runtime.Function{Name: fmt.Sprintf("f%05d", i), Created: apitest.Time, Updated: apitest.Time})
	}
	names, link := list("")
	if len(names) != faaspot.MaxList || names[0] != "f00000" || names[faaspot.MaxList-1] != "f09999" {
		t.Errorf("%d names", len(names))
	}
	if want := `</v1/functions/?after=f09999&limit=10000>; rel="next"`; link != want {
		t.Errorf("Link %q, want %q", link, want)
	}
	if names, link := list("?after=f09999&limit=10000"); len(names) != 1 || names[0] != "f10000" || link != "" {
		t.Errorf("next page: %v %q", names, link)
	}
	for _, limit := range []int{1, 2, 999, 1000, 1001} {
		names, link := list("?limit=" + strconv.Itoa(limit))
		if len(names) != limit || link == "" {
			t.Errorf("limit %d: %d names, %q", limit, len(names), link)
		}
	}
	fake.Functions = fake.Functions[:2]
	if names, link := list("?limit=2"); len(names) != 2 || link != "" {
		t.Errorf("last page: %v %q", names, link)
	}
	a := ts.Do(t, "GET", "/v1/deployments?limit=1", "", nil)
	want := `[{"name":"f00000","rid":"ri.function-registry.main.function.","runner_url":"https://faas.example.com/v1/functions/f00000/rpc/","version":0,` +
		`"created":"2026-03-04 05:06:07.891011+00:00","updated":"2026-03-04 05:06:07.891011+00:00","paused":false}]`
	if strings.TrimSpace(a.Body) != want {
		t.Errorf("got %s", a.Body)
	}
	for _, query := range []string{"?limit=0", "?limit=-1", "?limit=10001", "?limit=x", "?limit=", "?after=%2e%2e"} {
		apitest.WantError(t, ts.Do(t, "GET", "/v1/functions/"+query, "", nil), 400, "invalid_argument")
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts := apitest.Start(t, fake, nil)
	if a := ts.Do(t, "DELETE", "/v1/functions/a", "{}", nil); a.Status != 200 || a.Body != `"`+apitest.ID+`"` {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if !reflect.DeepEqual(fake.Deleted, []runtime.FunctionDeletion{{Tenant: runtime.DefaultTenant, Name: "a", UserID: runtime.AdminUser}}) {
		t.Errorf("deleted %+v", fake.Deleted)
	}
}

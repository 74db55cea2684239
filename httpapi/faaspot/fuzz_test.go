package faaspot

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// refusal fails the test if an error is not the client's fault, or does not say what to do.
func refusal(t *testing.T, input any, err error) {
	t.Helper()
	e, ok := runtime.AsError(err)
	if !ok || e.Code != runtime.CodeInvalidArgument && e.Code != runtime.CodeTooLarge || e.Message == "" {
		t.Fatalf("%q: %v", input, err)
	}
}

// FuzzCursor reads cursors of lists of executions. Only the cursor of this very query is read.
func FuzzCursor(f *testing.F) {
	const id = "01900000-0000-7000-8000-000000000000"
	filter := runtime.ExecutionFilter{Function: "f", States: []runtime.State{runtime.StateFailed}}
	for _, tenant := range []runtime.Tenant{"t", "other"} {
		cursor, err := makeCursor(tenant, filter, id)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(cursor)
		f.Add(cursor + "=")
		f.Add(cursor[:len(cursor)-1])
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		id, err := openCursor("t", filter, cursor)
		if err != nil {
			refusal(t, cursor, err)
			return
		}
		if again, err := makeCursor("t", filter, id); err != nil || again != cursor {
			t.Fatalf("%q is read as %s, whose cursor is %q, %v", cursor, id, again, err)
		}
		if _, err := openCursor("other", filter, cursor); err == nil {
			t.Fatalf("%q is valid for another tenant", cursor)
		}
	})
}

// FuzzFunctionBody reads bodies of requests that create or update a function.
func FuzzFunctionBody(f *testing.F) {
	for _, body := range []string{
		`{"name":"f","code":"def main(a, c): pass","context":"a = 1","timeout":1.5,"memory":128,"retries":2,"allow":["a.example:443"],"requirements":[]}`,
		`{"code":"%64ef","encoding":"percent","context":{"a":1},"timeout":"2","memory":"64"}`, `{"timeout":1e400}`, `{"memory":-1}`, `{"retries":0.5}`, `{"allow":"x"}`,
		`{"context":"{"}`, `[]`, `{"a":1,"a":2}`, `{"code":"\ud800"}`, `{"timeout":null,"code":null}`, `{"requirements":"numpy"}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := parseFunctionBody(new(contextReader), body)
		if err != nil {
			refusal(t, body, err)
			return
		}
		if b.context != nil && web.CheckObject(b.context) != nil {
			t.Fatalf("%q has the context %q", body, b.context)
		}
	})
}

// FuzzQuery reads queries as args: strict JSON with the values that package net/url reads.
func FuzzQuery(f *testing.F) {
	for _, query := range []string{"a=1&b=%C3%BC+x", "a", "&&=&", "a=1&a=2", "%61=1&a=2", "a=%ff", "a=%zz%", "a=%ed%a0%80", "\x00=\x1f"} {
		f.Add([]byte(query))
	}
	f.Fuzz(func(t *testing.T, query []byte) {
		args, err := queryArgs(query)
		if err != nil {
			refusal(t, query, err)
			return
		}
		if err := web.CheckObject(args); err != nil {
			t.Fatalf("%q is read as %q: %v", query, args, err)
		}
		var got map[string]string
		if err := json.Unmarshal(args, &got); err != nil {
			t.Fatalf("%q is read as %q: %v", query, args, err)
		}
		// Package net/url refuses semicolons and broken escapes.
		want, err := url.ParseQuery(string(query))
		if err != nil {
			return
		}
		for name, values := range want {
			if len(values) != 1 || got[name] != values[0] || len(got) != len(want) {
				t.Fatalf("%q is read as %q, and by net/url as %q", query, args, want)
			}
		}
	})
}

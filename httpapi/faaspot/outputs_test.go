package faaspot_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/runtime"
)

// TestOutputsAreAsStored checks that every answer with outputs or args has their bytes as they are stored, and
// is JSON, whatever other members contain that a user has chosen.
func TestOutputsAreAsStored(t *testing.T) {
	t.Parallel()
	const (
		mimic = `"output":null,"args":null`
		args  = `{"name": "you"}` // of the fake
	)
	for name, output := range map[string]string{
		"null":    `null`,
		"spaces":  "{ \"a\" : [1.50, \"<&>\u2028\\u0041\"],\n\t\"output\":null, \"args\":null }",
		"text":    `"\"output\":null"`,
		"numbers": `[1e5, -0.0, 123456789012345678901234567890]`,
		"large":   `["` + strings.Repeat("x", 3*runtime.ListedResult) + `" , 1]`,
	} {
		x := apitest.ExecutionAt(apitest.ID, runtime.StateSucceeded)
		x.Function, x.Caller.UserID = mimic, mimic
		x.Result, x.ResultSize, x.ArgsSize = []byte(output), len(output), len(args)
		fake := &apitest.Fake{Outcome: &x}
		fake.All, fake.Order = map[string]runtime.Execution{apitest.ID: x}, []string{apitest.ID}
		ts := apitest.Start(t, fake, nil)
		for _, r := range []struct {
			method, path, body string
			args               bool
		}{
			{"GET", "/v1/executions/" + apitest.ID, "", true},
			{"POST", "/v1/executions/bulk", `["` + apitest.ID + `","` + apitest.ID + `"]`, false},
			{"GET", "/v1/executions/?include_completed=1", "", false},
			{"POST", "/v1/try", `{"code":"def main(args, context): pass"}`, false},
		} {
			a := ts.Do(t, r.method, r.path, r.body, nil)
			if a.Status != 200 || !json.Valid([]byte(a.Body)) {
				t.Fatalf("%s: %s %s: %d %s", name, r.method, r.path, a.Status, a.Body)
			}
			if want := `"output":` + output + `,`; !strings.Contains(a.Body, want) {
				t.Errorf("%s: %s %s does not have %s: %s", name, r.method, r.path, want, a.Body)
			}
			if r.args != strings.Contains(a.Body, `"args":`+args+`,"args_size":`) {
				t.Errorf("%s: %s %s: the args are not as they are stored: %s", name, r.method, r.path, a.Body)
			}
		}
	}
}

package jobfile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/faaspot/faaspot/runtime/strictjson"
	"github.com/faaspot/faaspot/runtime/stricttoml"
)

func noEnv(string) (string, bool) { return "", false }

// TestProject reads files of projects, and holds the JSON Schema to what is accepted.
func TestProject(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../../../docs/faaspot.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	accepts := func(text string) error {
		document, err := stricttoml.Parse([]byte(text), strictjson.DefaultMaxDepth)
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(document.Map())
	}
	none, one := 0, 1
	for text, want := range map[string]Project{
		"":              {Functions: map[string]ProjectFunction{}},
		"[functions.a]": {Functions: map[string]ProjectFunction{"a": {}}},
		"timeout = \"1m\"\nretries = 1\nallow = [\"a:1\"]\n[functions.a]\npath = \"x/a.py\"\ncontext = \"c\"\n[functions.\"b.2\"]\nmemory = 64\nretries = 0\nallow = []\ntimeout = 1.5": {
			Settings: Settings{Timeout: 60, Retries: &one, Allow: []string{"a:1"}},
			Functions: map[string]ProjectFunction{
				"a":   {Path: "x/a.py", Context: "c", Settings: Settings{Timeout: 60, Retries: &one, Allow: []string{"a:1"}}},
				"b.2": {Settings: Settings{Timeout: 1.5, Memory: 64, Retries: &none, Allow: []string{}}},
			},
		},
	} {
		got, err := ParseProject("p.toml", []byte(text), noEnv)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v %s", text, err, diff)
		}
		if err := accepts(text); err != nil {
			t.Errorf("the schema refuses %q: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		"functions = 1":                    "p.toml:1:1: functions is a whole number, not a table",
		"[functions]\na = 1":               "p.toml:2:1: functions.a is a whole number, not a table",
		"[functions.\"a b\"]":              "the function name is not valid",
		"[functions.a]\nmemory = 1":        "p.toml:2:1: functions.a.memory of 1 is out of bounds",
		"[functions.a]\nmemry = 64":        "p.toml:2:1: functions.a.memry is not known here",
		"[functions.a]\npath = 1":          "functions.a.path is a whole number, not a string",
		"[functions.a]\nallow = [1]":       "functions.a.allow[0] is a whole number, not a string",
		"[functions.a]\ntimeout = 90000":   "functions.a.timeout of 90000 seconds is out of bounds",
		"retries = 11":                     "retries of 11 is out of bounds",
		"[function.a]":                     "function is not known here",
		"[functions.a.functions.b]\nx = 1": "functions.a.functions is not known here",
	} {
		_, err := ParseProject("p.toml", []byte(text), noEnv)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
		if accepts(text) == nil {
			t.Errorf("the schema accepts %q", text)
		}
	}
	// What the schema cannot say.
	for text, want := range map[string]string{
		"[functions.a]\npath = \"../a.py\"":        "functions.a.path leads out of the folder",
		"[functions.a]\ncontext = \"/etc/passwd\"": "functions.a.context leads out of the folder",
		"allow = [\"http://a\"]":                   "it is a URL",
		"x =":                                      "p.toml:",
	} {
		if _, err := ParseProject("p.toml", []byte(text), noEnv); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

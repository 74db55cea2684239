package jobfile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/faaspot/faaspot/runtime"
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
	// Jobs, which are compared by what they send.
	const job = `[jobs.nightly]
function = "a"
display_name = "Nightly"
labels = { team = "x" }
runtime = { memory = 64, timeout = "2m", max_retries = 2, max_concurrent_tasks = 3 }
env = { REGION = "eu", KEY = { value = "v", secret = true } }
[[jobs.nightly.triggers]]
type = "cron"
schedule = "0 3 * * *"
timezone = "Europe/Berlin"
missed = "catchup"
tasks = [{ kind = "daily" }]
[[jobs.nightly.triggers]]
type = "http-async"
path = "later"
callback_url = "https://example.com"
retry = 3
`
	p, err := ParseProject("p.toml", []byte(job), noEnv)
	if err != nil || len(p.Jobs) != 1 || p.Jobs[0].Name != "nightly" || p.Jobs[0].Function != "a" || len(p.Jobs[0].Triggers) != 2 {
		t.Fatalf("%+v, %v", p, err)
	}
	same, err := Parse("job.toml", []byte("name = \"nightly\"\n"+strings.NewReplacer("[jobs.nightly]\n", "", "jobs.nightly.", "").Replace(job)), noEnv)
	if err != nil || string(same.Body) != string(p.Jobs[0].Body) {
		t.Errorf("the job is %s, in a file of its own %s, %v", p.Jobs[0].Body, same.Body, err)
	}
	located := p.Jobs[0].Locate(runtime.Errorf(runtime.CodeInvalidArgument, "spec.triggers[1]: the callback URL is wrong"))
	if !strings.HasPrefix(strings.TrimPrefix(located.Error(), "invalid_argument: "), "p.toml:16:1: jobs.nightly.triggers[1]: the callback URL") {
		t.Error(located)
	}
	if err := accepts(job); err != nil {
		t.Errorf("the schema refuses it: %v", err)
	}
	for text, want := range map[string]string{
		"[jobs.nightly]":                                                           "p.toml:1:7: jobs.nightly.function is missing",
		"[jobs.Nightly]\nfunction = \"a\"":                                         "the job name",
		"[jobs.a]\nfunction = \"a\"\nx = 1":                                        "jobs.a.x is not known here",
		"[jobs.a]\nfunction = \"a\"\nname = \"b\"":                                 "jobs.a.name is not known here",
		"[jobs.a]\nfunction = \"a\"\ntriggers = [{ type = \"cron\" }]":             "jobs.a.triggers[0].schedule is missing",
		"[jobs.a]\nfunction = \"a\"\ntriggers = [{ type = \"at\", path = \"x\" }]": "jobs.a.triggers[0].type cannot be",
		"[jobs.a]\nfunction = \"a\"\nenv = { A = { secret = true } }":              "jobs.a.env.A must have one of value and from_env",
		"[jobs.a]\nfunction = \"a\"\nruntime = { memory = 1 }":                     "jobs.a.runtime.memory of 1 MB is out of bounds",
		"jobs = 1": "jobs is a whole number, not a table",
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

package jobfile

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
)

// variables are those of the environment.
func variables(name string) (string, bool) {
	v, ok := map[string]string{"HOOK": "from outside", "EMPTY": ""}[name]
	return v, ok
}

const whole = `# A job with everything.
name = "nightly"
function = "bill"
display_name = "Nightly bills"
enabled = false

[labels]
team = "billing"
"a.b" = "c"

[runtime]
memory = 256
timeout = "2m30s"
max_retries = 2
max_concurrent_tasks = 50

[env]
REGION = "eu"
API_KEY = { value = "k", secret = true }
EMPTY = { from_env = "EMPTY", secret = false }

[[triggers]]
id = "night"
type = "cron"
schedule = "0 3 * * *"
timezone = "Europe/Berlin"
missed = "catchup"
tasks = [{ n = 1, f = 2.0, list = [1.5, "x", { b = true }] }, {}, { day = 2026-01-31, times = [07:32, 2026-01-31 07:32:00.5, 2026-01-31T07:32:00+01:00] }]

[[triggers]]
type = "http-async"
path = "bills/new"
enabled = false
callback_url = "https://example.com/done"
callback_secret = { from_env = "HOOK" }
retry = 0
timeout = "5m"

[[triggers]]
type = "http"
path = "bills"
timeout = 30
`

func TestTOML(t *testing.T) {
	f, err := Parse("job.toml", []byte(whole), variables)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"metadata":{"name":"nightly","displayName":"Nightly bills","labels":{"a.b":"c","team":"billing"}},` +
		`"spec":{"enabled":false,"function":"bill","runtime":{"memory":256,"timeout":150,"maxRetries":2,"maxConcurrentTasks":50,"envs":[` +
		`{"name":"API_KEY","value":"k","secret":true},{"name":"EMPTY","value":""},{"name":"REGION","value":"eu"}]},"triggers":[` +
		`{"id":"night","type":"cron","enabled":true,"configuration":{"schedule":"0 3 * * *","timezone":"Europe/Berlin","missed":"catchup",` +
		`"tasks":[{"f":2.0,"list":[1.5,"x",{"b":true}],"n":1},{},{"day":"2026-01-31","times":["07:32:00","2026-01-31T07:32:00.5","2026-01-31T07:32:00+01:00"]}]}},` +
		`{"type":"http-async","enabled":false,"configuration":{"path":"bills/new","callbackUrl":"https://example.com/done","callbackSecret":"from outside","retry":0,"timeout":300}},` +
		`{"type":"http","enabled":true,"configuration":{"path":"bills","timeout":30}}]}}`
	if diff := gocmp.Diff(want, string(f.Body)); diff != "" || f.Name != "nightly" {
		t.Errorf("%s: %s", f.Name, diff)
	}
	f, err = Parse("-", []byte("name = 'x'\nfunction = 'f'\n"), variables)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(f.Body); got != `{"metadata":{"name":"x"},"spec":{"enabled":true,"function":"f","runtime":{}}}` {
		t.Error(got)
	}
}

// Errors have a line and a column, and a hint.
func TestTOMLErrors(t *testing.T) {
	const head = "name = 'x'\nfunction = 'f'\n" // two lines
	for _, tc := range []struct{ text, want, hint string }{
		{"", "job.toml: name is missing", "add name"},
		{"name = 'x'\n", "job.toml: function is missing", "name the function"},
		{"name = 'X y'\nfunction = 'f'", "job.toml:1:1: the job name is not valid", "use 1 to 49"},
		{"name = 3", "job.toml:1:1: name is a whole number, not a string", "give a string"},
		{"name = \"x\nfunction = 'f'", "job.toml:1:", ""},
		{head + "x = [1,\n", "job.toml:3:", ""},
		{head + "name = 'y'", "job.toml:3:1: key name is already defined", ""},
		{head + "nname = 1", "job.toml:3:1: nname is not known here", "did you mean name?"},
		{"name = 'x'\nfuncton = 'f'\n", "job.toml:2:1: functon is not known here", "did you mean function?"},
		{head + "[[triggers]]\ntyp = 'http'\npath = 'x'", "job.toml:4:1: triggers[0].typ is not known here", "did you mean type?"},
		{head + "else = 1", "job.toml:3:1: else is not known here", "use one of name, display_name, labels, enabled, function, runtime, env, triggers"},
		{head + "[runtime]\n  timout = 3\n", "job.toml:4:3: runtime.timout is not known here", "did you mean timeout?"},
		{head + "runtime.memory = 5", "job.toml:3:9: runtime.memory of 5 MB is out of bounds", "give 64 to 3072 MB"},
		{head + "[runtime]\nmemory = '256'", "job.toml:4:1: runtime.memory is a string, not a number", "give a number of MB"},
		{head + "[runtime]\nmemory = nan", "job.toml:4:1: runtime.memory of NaN MB is out of bounds", ""},
		{head + "[runtime]\ntimeout = 'soon'", `job.toml:4:1: runtime.timeout of "soon" is not a duration`, "give seconds"},
		{head + "[runtime]\ntimeout = '25h'", "job.toml:4:1: runtime.timeout of 90000 seconds is out of bounds", "give 0.1 to 86400 seconds"},
		{head + "[runtime]\nmax_retries = 1.5", "job.toml:4:1: runtime.max_retries is a number, not a whole number", ""},
		{head + "[runtime]\nmax_retries = 11", "job.toml:4:1: runtime.max_retries of 11 is out of bounds", "give 0 to 10"},
		{head + "runtime = 3", "job.toml:3:1: runtime is a whole number, not a table", ""},
		{head + "enabled = 'yes'", "job.toml:3:1: enabled is a string, not true or false", ""},
		{head + "[labels]\nn = 3", "job.toml:4:1: labels.n is a whole number, not a string", ""},
		{head + "[env]\nA = 1", "job.toml:4:1: env.A is a whole number, not a string", ""},
		{head + "[env]\nA = { secret = true }", "job.toml:4:1: env.A must have one of value and from_env", "write {"},
		{head + "[env]\nA = { value = 'x', secrt = true }", "job.toml:4:20: env.A.secrt is not known here", "did you mean secret?"},
		{head + "[env]\nA = { from_env = 'ABSENT' }", "job.toml:4:7: the variable ABSENT is not set", "set it"},
		{head + "triggers = 3", "job.toml:3:1: triggers is a whole number, not an array of tables", ""},
		{head + "triggers = [{ type = 'http' }, 3]", "job.toml:3:32: triggers[1] is a whole number, not a table", "begin each with [[triggers]]"},
		{head + "[[triggers]]\npath = 'x'", "job.toml:3:3: triggers[0].type is missing", "add type"},
		{head + "[[triggers]]\ntype = 'http'\npath='x'\n[[triggers]]\ntype = 'crno'", `job.toml:7:1: triggers[1].type cannot be "crno"`, `did you mean "cron"?`},
		{head + "[[triggers]]\ntype = 'http'\npath='x'\n[[triggers]]\ntype = 'http'", "job.toml:6:3: triggers[1].path is missing", "add path"},
		{head + "[[triggers]]\ntype = 'cron'", "job.toml:3:3: triggers[0].schedule is missing", "add schedule"},
		{head + "[[triggers]]\ntype = 'cron'\nschedule = '@daily'\npath = 'x'", "job.toml:6:1: triggers[0].path is not a field of a trigger of the type cron", "leave it out"},
		{head + "[[triggers]]\ntype = 'cron'\nschedule = '@daily'\ntasks = [{},\n 3]", "job.toml:7:2: triggers[0].tasks[1] is a whole number, not a table", "each task"},
		{head + "[[triggers]]\ntype = 'cron'\nschedule = '@daily'\ntasks = [{ x = [{ y = inf }] }]", "job.toml:6:19: triggers[0].tasks[0].x[0].y is a number, which JSON does not have", "write it as a string"},
		{head + "[[triggers]]\ntype = 'http'\npath = 'x'\nretry = 21", "job.toml:6:1: triggers[0].retry of 21 is out of bounds", "give 0 to 20"},
		{head + "[[triggers]]\ntype = 'http'\npath = 'x'\ntimeout = 901", "job.toml:6:1: triggers[0].timeout of 901 seconds is out of bounds", ""},
	} {
		_, err := Parse("job.toml", []byte(tc.text), variables)
		coded, ok := errors.AsType[*runtime.Error](err)
		if !ok || coded.Code != runtime.CodeInvalidArgument || !strings.HasPrefix(coded.Message, tc.want) || !strings.HasPrefix(coded.Hint, tc.hint) {
			t.Errorf("%q:\n got %v\nhint %q\nwant %s", tc.text, err, coded.Hint, tc.want)
		}
	}
}

// All errors of a file are reported at once, also those that the server would find, each at its place,
// and each once. Their number is bounded.
func TestAllErrorsOfAFile(t *testing.T) {
	f, err := Parse("job.toml", []byte(`name = "X y"
function = "no such"
colour = 1
[runtime]
memory = 99999
timeout = "soon"
[env]
"1A" = "x"
[[triggers]]
type = "cron"
schedule = "61 * * * *"
timezone = "Nowhere/Land"
tasks = [3]
[[triggers]]
type = "http"
path = "a//b"
timeout = 901
`), variables)
	var got []string
	coded, _ := errors.AsType[*runtime.Error](err)
	for _, one := range append([]*runtime.Error{coded}, coded.More...) {
		place, _, _ := strings.Cut(strings.TrimPrefix(one.Message, "job.toml:"), ": ")
		got = append(got, place)
	}
	slices.Sort(got)
	if diff := gocmp.Diff([]string{"11:1", "13:10", "16:1", "17:1", "1:1", "2:1", "3:1", "5:1", "6:1", "8:1"}, got); diff != "" {
		t.Errorf("%s\n%+v", diff, coded.More)
	}
	if err := f.Add(err, runtime.NoFunctionOfJobError("x")); len(err.(*runtime.Error).More) != len(coded.More) {
		t.Error("a member has two errors")
	}
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, "x%d = 1\n", i)
	}
	_, err = Parse("job.toml", []byte(many.String()), variables)
	if coded, _ := errors.AsType[*runtime.Error](err); len(coded.More) != runtime.MaxErrors-1 {
		t.Errorf("%d errors", len(coded.More)+1)
	}
}

// Errors of the server are located in the file.
func TestLocate(t *testing.T) {
	f, err := Parse("job.toml", []byte(whole), variables)
	if err != nil {
		t.Fatal(err)
	}
	const schedule = `triggers[0]: the schedule "0 3 * * *" is not valid`
	for _, test := range []struct{ message, at, want string }{ // an empty want is the message
		{`the job's function "bill" does not exist`, "job.toml:3:1: ", ""},
		{"memory of 5 MB is out of bounds", "job.toml:12:1: ", ""},
		{"spec.runtime.maxRetries of 11 is out of bounds", "job.toml:14:1: ", "runtime.max_retries of 11 is out of bounds"},
		{"spec.runtime.envs[1].value is not a string", "job.toml:20:1: ", "env.EMPTY is not a string"},
		{"the environment variable API_KEY has no valid value", "job.toml:19:1: ", ""},
		{`the environment variable "REGION" has no valid name`, "job.toml:18:1: ", ""},
		{"spec.triggers[1].configuration.callbackUrl is not a string", "job.toml:34:1: ", "triggers[1].callback_url is not a string"},
		{"spec.triggers[1].configuration.nothing is not known here", "job.toml:30:3: ", "triggers[1].nothing is not known here"},
		{"spec." + schedule, "job.toml:25:1: ", schedule},
		{"spec.triggers[1]: the callback URL is not valid", "job.toml:34:1: ", "triggers[1]: the callback URL is not valid"},
		{"spec.triggers[1]: its id is not valid", "job.toml:30:3: ", "triggers[1]: its id is not valid"},
		{"trigger night: its callbackSecret is ****", "job.toml: ", "trigger night: its callback_secret is ****"},
		{`the label "spec.function" is not valid`, "job.toml:7:2: ", ""},
		{`the label "team" is not valid`, "job.toml:8:1: ", ""},
		{"the display name is not valid", "job.toml:4:1: ", ""},
		{"the moon is in the wrong place", "job.toml: ", ""},
		{"a run may use 300 MB (memory and /tmp), more than the 200 MB of the server", "job.toml:12:1: ", ""},
	} {
		err := f.Locate(runtime.Errorf(runtime.CodeInvalidArgument, "%s", test.message).WithHint("leave metadata.name out, change its spec.function"))
		coded, _ := errors.AsType[*runtime.Error](err)
		if want := test.at + cmp.Or(test.want, test.message); coded.Message != want || coded.Hint != "leave name out, change its function" {
			t.Errorf("got %s (%s), want %s", coded.Message, coded.Hint, want)
		}
	}
	gone := runtime.Errorf(runtime.CodeNotFound, "there is no job")
	if err := f.Locate(gone); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
	if f.Locate(nil) != nil {
		t.Error("nothing is an error")
	}
}

func TestJSON(t *testing.T) {
	const text = `{
  "metadata": {"name": "x"},
  "spec": {
    "function": "f",
    "runtime": {"memory": 5, "envs": [
      {"name": "A", "value": "1"},
      {"name": "B", "value": "2"}]},
    "triggers": [{"id": "t", "type": "cron",
      "configuration": {"schedule": "never"}}]
  }
}`
	f, err := Parse("job.JSON", []byte(text), variables)
	if err != nil {
		t.Fatal(err)
	}
	if f.Name != "x" || string(f.Body) != text {
		t.Errorf("%s %s", f.Name, f.Body)
	}
	for message, want := range map[string]string{
		"memory of 5 MB is out of bounds":             "job.JSON:5:17: ",
		"the environment variable B is set twice":     "job.JSON:7:7: ",
		"spec.triggers[0]: the schedule is not valid": "job.JSON:9:25: ",
		"spec.function is not a string":               "job.JSON:4:5: ",
		"spec.triggers[0].enabled is not a flag":      "job.JSON:8:18: ",
		"metadata.name is not the name in the path":   "job.JSON:2:16: ",
		"spec.revision.active is not a revision's id": "job.JSON:3:3: ",
	} {
		coded, _ := errors.AsType[*runtime.Error](f.Locate(runtime.Errorf(runtime.CodeInvalidArgument, "%s", message)))
		if coded.Message != want+message {
			t.Errorf("got %s, want %s", coded.Message, want)
		}
	}
	for text, want := range map[string]string{
		"{\n \"metadata\": }":                  "x.json:2:14: ",
		"{\n \"metadata\": {\"name\": 3}}":     "x.json:2:23: metadata.name is a JSON number",
		"{\n \"metadata\": {}}":                "x.json:2:2: metadata.name is missing",
		"[]":                                   "x.json:1:1: ",
		"":                                     "x.json:",
		`{"metadata": {"name": "x"}} trailing`: "x.json:1:29: ",
	} {
		_, err := Parse("x.json", []byte(text), variables)
		coded, ok := errors.AsType[*runtime.Error](err)
		if !ok || !strings.HasPrefix(coded.Message, want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// Any file is either read, and converted to JSON, or refused with a coded error.
func FuzzJobFile(f *testing.F) {
	f.Add("job.toml", whole)
	f.Add("job.toml", "a.b = [[{c=1}],'x']\n[[a.d]]\n[a.d.e]")
	f.Add("job.json", `{"metadata":{"name":"x"},"spec":{"runtime":{"envs":[{"name":"A"}]}}}`)
	f.Fuzz(func(t *testing.T, path, text string) {
		file, err := Parse(path, []byte(text), variables)
		if err != nil {
			if coded, ok := errors.AsType[*runtime.Error](err); !ok || coded.Code != runtime.CodeInvalidArgument {
				t.Fatalf("%v", err)
			}
			return
		}
		if !json.Valid(file.Body) || file.Name == "" {
			t.Fatalf("%q of %q", file.Body, file.Name)
		}
		for _, message := range []string{"spec.runtime.envs[0] x", "spec.triggers[0]: its schedule", "memory of 3", text} {
			if err := file.Locate(runtime.Errorf(runtime.CodeInvalidArgument, "%s", message)); !strings.HasSuffix(err.Error(), file.inFile(message)) {
				t.Fatalf("%v", err)
			}
		}
	})
}

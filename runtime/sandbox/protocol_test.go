package sandbox

import (
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// forgeries try to speak in the platform's name, or to hide the truth from it. want is the result,
// empty if the run must fail, or "hurt" if it may do either because it has damaged its own
// interpreter.
var forgeries = []struct{ name, main, want string }{
	{"prints", "print('{\"class\":\"timeout\"}'); import os; os.write(1, b'null')\nreturn 1", "1"},
	{"patches json", "import json\njson.dumps = json.loads = lambda *a, **k: 1 / 0\njson.JSONEncoder = json.JSONDecoder = None\nreturn {'a': [1]}", `{"a":[1]}`},
	{"patches the encoder", "import json.encoder, json.scanner\njson.encoder.c_make_encoder = None\njson.encoder.encode_basestring = lambda s: 'evil'\nreturn 'good'", `"good"`},
	{"removes modules", "import sys\nsys.modules.clear()\nreturn 1", "1"},
	{"patches builtins", "import builtins\nfor name in ('isinstance', 'len', 'str', 'type', 'getattr', 'id'): setattr(builtins, name, lambda *a: 'evil')\nreturn [1]", "hurt"},
	{"empties builtins", "import builtins\nfor name in list(vars(builtins)):\n    vars(builtins).pop(name)\nreturn 1", "hurt"},
	{"replaces streams", "import sys\nclass S:\n    def __getattr__(self, n): raise SystemExit(3)\nsys.stdout = sys.stderr = S()\nreturn 1", "1"},
	{"audit hook", "import sys\nsys.addaudithook(lambda *a: None)\nreturn 1", "1"},
	{"patches main", "global main\nmain = None\nreturn 1", "1"},
	{"returns a failure", "return (b'{\"class\":\"timeout\"}',)", ""},
	{"returns an outcome", "return b'null'", ""},
	{"trace function stays", "import sys\nsys.setprofile(lambda *a: None)\nreturn 1", "1"},
	{"recursion limit stays", "import sys\nsys.setrecursionlimit(60)\nreturn 1", "1"},
}

func TestForgeries(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		for _, forgery := range forgeries {
			t.Run(forgery.name, func(t *testing.T) {
				p := deployed(t, box, body(forgery.main), runtime.Limits{})
				defer box.Forget(p.FunctionID, p.Version)
				outcome := runInTime(t, box, p, "{}")
				if forgery.want == "hurt" {
					checkClass(t, outcome, "", runtime.ClassError)
				} else if forgery.want == "" {
					checkClass(t, outcome, runtime.ClassError, runtime.ClassResultInvalid)
				} else if string(outcome.Result) != forgery.want {
					t.Errorf("got %s, %+v", outcome.Result, outcome.Failure)
				}
			})
		}
	})
}

// TestBootstrapCanOnlyBeHarmedByItsOwnFunction modifies the bootstrap's modules from a function.
// The function can then falsify only its own outcome, within the classes that a function can have,
// and its result is still checked.
func TestBootstrapCanOnlyBeHarmedByItsOwnFunction(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		neighbour(t, box)
		lies := func(text string) string {
			return "import sys\nvalues = sys.modules['_faas_boot.values']\nvalues.encode = lambda v: " + text + "\nreturn 1"
		}
		for _, c := range []struct {
			main    string
			classes []runtime.Class
		}{
			{lies(`b'not json'`), []runtime.Class{runtime.ClassResultInvalid}},
			{lies(`b'{"a":1,"a":2}'`), []runtime.Class{"", runtime.ClassResultInvalid}},
			{lies(`b'"' + b'x' * (7 << 20) + b'"'`), []runtime.Class{runtime.ClassResultTooLarge}},
			{lies(`b'\xff'`), []runtime.Class{runtime.ClassResultInvalid}},
			{lies(`b''`), []runtime.Class{runtime.ClassResultInvalid, runtime.ClassCrashed}},
			{lies(`b'[' * 10**6`), []runtime.Class{runtime.ClassResultInvalid}},
			{lies(`5`), []runtime.Class{runtime.ClassError}},
			{lies(`(b'{"class":"timeout"}',)`), []runtime.Class{runtime.ClassCrashed}},
			{lies(`(b'{"class":"internal"}',)`), []runtime.Class{runtime.ClassCrashed}},
			{lies(`(b'{"class":"error","message":5}',)`), []runtime.Class{runtime.ClassCrashed}},
			{lies(`(b'{"class":"error","line":-5,"exit_code":1e99}',)`), []runtime.Class{runtime.ClassCrashed}},
			{lies(`(b'garbage',)`), []runtime.Class{runtime.ClassCrashed}},
			{lies(`(b'{"class":"error","message":"' + b'x' * 10**7 + b'"}',)`), []runtime.Class{runtime.ClassCrashed}},
			{"import sys\nsys.modules['_faas_boot.failure'].describe = lambda e: 5\n1 / 0", []runtime.Class{runtime.ClassError}},
		} {
			p := deployed(t, box, body(c.main), runtime.Limits{})
			f := fails(t, box, p, "{}", c.classes...)
			if f != nil && strings.Contains(f.Message, "timeout") {
				t.Errorf("%s: got %s", c.main, f.Message)
			}
			box.Forget(p.FunctionID, p.Version)
		}
	})
}

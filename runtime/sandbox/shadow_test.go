package sandbox

import (
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// TestNamesShadowNothing deploys functions with the names of modules, and functions that place
// modules where imports search.
func TestNamesShadowNothing(t *testing.T) {
	box := boxes["mapped"]
	for _, name := range []string{
		"json.py", "json", "encodings", "encodings.py", "sitecustomize.py", "usercustomize.py", "__main__", "__main__.py", "_faas_boot",
		"_faas_boot.py", "faas.py", "function", "function.py", "sys", "builtins", "importlib", "a.b.c", "-", "x.pyc",
	} {
		t.Run(name, func(t *testing.T) {
			p := program(`
import json, sys, encodings, faas
def main(args, context):
    assert json.dumps([1]) == "[1]" and main.__module__ == "function"
    return [__name__, __file__]
`, runtime.Limits{})
			p.Name = name
			outcome, err := box.Deploy(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			checkClass(t, outcome, "")
			file := name
			if !strings.HasSuffix(file, ".py") {
				file += ".py"
			}
			if got := result(t, box, p, "{}"); got != `["function","/function/`+file+`"]` {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestModulesInTmpShadowOnlyThemselves(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, `
import sys, os
for name in ("json", "encodings", "sitecustomize", "usercustomize", "_faas_boot", "faas", "colorsys", "random"):
    open("/tmp/%s.py" % name, "w").write("print('SHADOW'); evil = 1")
sys.path.insert(0, "/tmp")
for name in ("json", "random", "json.encoder"):
    sys.modules.pop(name, None)
import json, random
def main(args, context):
    import colorsys
    return [hasattr(m, "evil") for m in (json, random, colorsys)]
`, runtime.Limits{})
		outcome := run(t, box, p, `{"a":[1.5,"x"]}`)
		checkClass(t, outcome, "")
		if got := string(outcome.Result); got != "[true,true,true]" {
			t.Errorf("a function's own modules are not found: %s", got)
		}
		if got := result(t, box, deployed(t, box, "import colorsys, json\ndef main(args, context): return [hasattr(m, 'evil') for m in (colorsys, json)]\n", runtime.Limits{}), "{}"); got != "[false,false]" {
			t.Errorf("another function finds them: %s", got)
		}
	})
}

package sandbox

import (
	"bytes"
	"embed"
	"encoding/json"
	"flag"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/faaspot/faaspot/pyguest"
	"github.com/faaspot/faaspot/runtime"
)

var update = flag.Bool("update", false, "write the bootstrap's bytecode instead of comparing it")

// compileSource compiles modules in the guest, for the guest. Version 2 of the marshal format does
// not depend on reference counts, as later versions do.
const compileSource = `
import base64, marshal
def main(args, context):
    return {
        name: base64.b64encode(marshal.dumps(compile(source, args["folder"] + "/" + name, "exec", dont_inherit=True), 2)).decode()
        for name, source in args["sources"].items()
    }
`

// TestBootstrapIsCompiled compares the bytecode that servers start with to its source. After a
// change of the source, -update compiles it again.
func TestBootstrapIsCompiled(t *testing.T) {
	box := boxes["mapped"]
	sources, err := pyguest.BootstrapSources()
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for name, source := range sources {
		texts[name] = string(source)
	}
	args, err := json.Marshal(map[string]any{"folder": pyguest.BootstrapPath, "sources": texts})
	if err != nil {
		t.Fatal(err)
	}
	var codes map[string][]byte
	if err := json.Unmarshal([]byte(result(t, box, deployed(t, box, compileSource, runtime.Limits{}), string(args))), &codes); err != nil {
		t.Fatal(err)
	}
	for name, source := range sources {
		file := filepath.Join("../../pyguest/bootstrap", name+"c")
		want := pyguest.Bytecode(source, codes[name])
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s was not compiled from the present source: run 'make bootstrap' and commit the result", file)
		}
	}
}

// bootstrapTests are the tests of the guest's own Python, one file for each of its modules.
//
//go:embed testdata/bootstrap/*.py
var bootstrapTests embed.FS

// testMainSource adds to a file of tests a main function that runs one of them, each in a fresh
// interpreter.
const testMainSource = `
def main(args, context):
    if not args:
        return [name for name in globals() if name.startswith("test_")]
    globals()[args["test"]]()
`

func TestBootstrap(t *testing.T) {
	box := boxes["mapped"]
	files, err := bootstrapTests.ReadDir("testdata/bootstrap")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		source, err := bootstrapTests.ReadFile(path.Join("testdata/bootstrap", file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		p := deployed(t, box, string(source)+testMainSource, runtime.Limits{})
		var names []string
		if err := json.Unmarshal([]byte(result(t, box, p, "{}")), &names); err != nil || len(names) == 0 {
			t.Fatalf("%s: tests %v, %v", file.Name(), names, err)
		}
		for _, name := range names {
			t.Run(file.Name()+"/"+name, func(t *testing.T) {
				outcome := runInTime(t, box, p, `{"test":"`+name+`"}`)
				if f := outcome.Failure; f != nil {
					t.Errorf("%s: %s\n%s", f.Type, f.Message, f.Traceback)
				}
			})
		}
	}
}

// TestFirstRequestIsPrepared checks that the first request of a run imports nothing, and compiles no
// expression, which every run would repeat.
func TestFirstRequestIsPrepared(t *testing.T) {
	const source = `
import re, sys, urllib.request
def main(args, context):
    before = set(sys.modules)
    compiled = []
    compile, re.compile = re.compile, lambda *args: compiled.append(args) or compile(*args)
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(args["url"])
    except urllib.error.URLError as error:
        failure = type(error.reason).__name__
    return [failure, sorted(set(sys.modules) - before), compiled]
`
	p := deployed(t, boxes["mapped"], source, runtime.Limits{})
	for _, url := range []string{"http://192.0.2.1/path", "http://name.example:8080/path?query=1"} {
		got := result(t, boxes["mapped"], p, `{"url":"`+url+`"}`)
		var parts []any
		if err := json.Unmarshal([]byte(got), &parts); err != nil || len(parts) != 3 {
			t.Fatalf("got %s, %v", got, err)
		}
		if failed := parts[0]; failed != "gaierror" && failed != "OSError" {
			t.Errorf("%s: the request ended with %v", url, failed)
		}
		if imported, _ := parts[1].([]any); imported == nil || len(imported) > 0 {
			t.Errorf("%s: the request imported %v", url, parts[1])
		}
		if compiled, _ := parts[2].([]any); compiled == nil || len(compiled) > 0 {
			t.Errorf("%s: the request compiled %v", url, parts[2])
		}
	}
}

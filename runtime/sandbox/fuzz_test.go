package sandbox

import (
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// FuzzReadFailure reads what a guest reports as its failure, which its function can forge. Only the
// classes that a guest may report come out, and the interpreter's crash.
func FuzzReadFailure(f *testing.F) {
	for _, text := range []string{
		`{"class":"error","type":"ValueError","message":"m","traceback":"t","line":3}`, `{"class":"timeout"}`, `{"class":"internal","message":"x"}`, `{"class":"memory"}`,
		`{"class":"exited","exit_code":3}`, `{"class":5}`, `{"line":1e99}`, `{"class":"cancelled","class":"error"}`, "", "null", "[]", "{", `{"CLASS":"stack"}`, "\xff",
	} {
		f.Add([]byte(text))
	}
	allowed := map[runtime.Class]bool{runtime.ClassCrashed: true}
	for class := range guestClasses {
		allowed[class] = true
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		failure := readFailure(text, runtime.Limits{}.WithDefaults())
		if !allowed[failure.Class] {
			t.Fatalf("%q is read as %q", text, failure.Class)
		}
		// A byte that is not UTF-8 becomes three.
		if len(failure.Message) > 3*len(text)+200 {
			t.Fatalf("%d bytes became a message of %d", len(text), len(failure.Message))
		}
	})
}

// FuzzImports reads what a run reports of its imports, which its function can forge.
func FuzzImports(f *testing.F) {
	for _, text := range []string{"json\nos.path\n", "a..b\n.a\nb.\n1a\na-b\n", strings.Repeat("module\n", 300), "\x00", "é", strings.Repeat("m", 9000)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name := range strings.Lines(text) {
			name = strings.TrimSuffix(name, "\n")
			if !isModule(name) {
				continue
			}
			for part := range strings.SplitSeq(name, ".") {
				if part == "" || strings.ContainsAny(part, " ;()'\"\\/-\n") || part[0] >= '0' && part[0] <= '9' {
					t.Fatalf("%q is taken for a module", name)
				}
			}
		}
	})
}

//go:build linux

package corpus

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var native = flag.String("native", "", "absolute path of the folder that native.sh has filled: run the programs by the CPython in it and rewrite the expected values; needs root")

//go:embed native.py
var driver string

// interpreterFile says which interpreter made the expected values.
const interpreterFile = "interpreter.txt"

// writeExpected runs the programs by native CPython and stores their outcomes. As in a run, /tmp is
// empty: it is a file system of its own in a mount namespace of its own.
func writeExpected(t *testing.T, programs []program) {
	t.Helper()
	write := func(name string, text []byte) {
		if err := os.WriteFile(filepath.Join(expectedDir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(interpreterFile, runNative(t, "import native; native.describe()", "", ""))
	for _, p := range programs {
		text := runNative(t, "import native; native.run()", p.source, "/function/"+p.name+".py", p.args)
		var end outcome
		if err := json.Unmarshal(text, &end); err != nil {
			t.Fatalf("%s: %v: %s", p.name, err, text)
		}
		if fails := strings.HasPrefix(p.name, "fail_"); fails != (end.Error != nil) {
			t.Errorf("%s: a program raises exactly if its name begins with fail_: %s", p.name, text)
			continue
		}
		if end.Error != nil {
			end.Error.Traceback = tracebackLines(end.Error.Traceback[0])
		}
		text, err := marshal(end)
		if err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		write(p.name+".json", text)
	}
}

// marshal encodes an outcome, indented and with a newline at the end.
func marshal(end outcome) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	err := encoder.Encode(end)
	return text.Bytes(), err
}

// runNative runs native CPython with the driver as module native and source as standard input.
func runNative(t *testing.T, code, source string, args ...string) []byte {
	t.Helper()
	// The folder may be below /tmp.
	const mount = `mount --bind "$0" /srv && mount -t tmpfs tmpfs /tmp && exec /srv/native/python "$@"`
	load := fmt.Sprintf("import sys,types;m=types.ModuleType('native');exec(compile(sys.argv.pop(1),'native.py','exec'),m.__dict__);sys.modules['native']=m;%s", code)
	cmd := exec.Command("unshare", append([]string{"-m", "sh", "-c", mount, *native, "-X", "utf8", "-c", load, driver}, args...)...)
	cmd.Dir = "/"
	// /srv/lib has the SQLite that native.sh builds. The machine's locales are left out.
	cmd.Env = []string{
		"HOME=/tmp", "TMPDIR=/tmp", "LANG=C.UTF-8", "USER=root", "PATH=/usr/bin:/bin",
		"LD_LIBRARY_PATH=/srv/lib", "LOCPATH=/nonexistent", "PYTHONDONTWRITEBYTECODE=1",
	}
	cmd.Stdin = bytes.NewReader([]byte(source))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("native CPython: %v\n%s", err, stderr.Bytes())
	}
	return text
}

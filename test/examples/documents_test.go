package examples

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// walkTimeout bounds the commands of one document.
const walkTimeout = 3 * time.Minute

// documents are the documents with commands, in the order in which a new user reads them. All run on
// one server, in one home and one folder.
var documents = []string{
	"README.md", "docs/functions.md", "docs/cli.md", "docs/python.md", "docs/http-api.md", "docs/observability.md", "docs/jobs.md",
	"clients/python/README.md",
}

// notRun are blocks that only show something, by a part of them, with the reason.
var notRun = map[string]string{
	"npm install":           "needs a registry; TestBlaxelClient runs the vendor's client",
	"from blaxel.core":      "needs a registry; TestBlaxelPythonClient runs the vendor's client",
	"def verify(":           "a function for the receiver of callbacks; TestCallbackIsPosted checks the signature",
	"python3 -m unittest":   "the tests of the client run by themselves",
	"~/.faaspot/python":     "TestDocuments installs the client as README.md says",
	"npm exec --package":    "needs a registry",
	"fas secrets rotate":    "needs a stopped server; TestSecretsAreInNoFile runs it",
	"clients/python/tests/": "a path, no command",
}

// prelude makes a request fail the walk that gets an error as its answer.
const prelude = "curl() { command curl -sS --fail-with-body \"$@\"; echo; }\n"

// TestDocuments runs all commands and programs of README.md, of the documents and of the examples, one
// after the other on one server, as a new user would who follows them word for word.
func TestDocuments(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server process, which the race detector does not see")
	}
	tools := true
	for _, tool := range []string{"curl", "jq", "python3"} {
		if _, err := exec.LookPath(tool); err != nil {
			if tools = false; os.Getenv("CI") != "" {
				t.Fatal(err)
			}
		}
	}
	source, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	program := binary(t)
	env, address := serveWith(t, program, "--demo")
	env = append(env, "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_INDEX=1", "PYTHONDONTWRITEBYTECODE=1")

	// The folder looks like a clone after `make run`.
	clone := t.TempDir()
	if err := os.Mkdir(filepath.Join(clone, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"bin/fas": program, "clients": filepath.Join(source, "clients"), "examples": filepath.Join(source, "examples")} {
		if err := os.Symlink(target, filepath.Join(clone, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range documents {
		t.Run(name, func(t *testing.T) {
			if !tools {
				t.Skip("the documents need curl, jq and python3")
			}
			text, err := os.ReadFile(filepath.Join(root, name))
			if err != nil {
				t.Fatal(err)
			}
			script, ran := walk(t, name, string(bytes.ReplaceAll(text, []byte("127.0.0.1:8080"), []byte(address))), clone)
			if ran == 0 {
				t.Fatal("the document has nothing to run")
			}
			ctx, cancel := context.WithTimeout(t.Context(), walkTimeout)
			defer cancel()
			cmd := exec.CommandContext(ctx, "sh", "-euc", prelude+script)
			cmd.Dir = clone
			cmd.Env = env
			cmd.WaitDelay = time.Second
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v in\n%s\noutput:\n%s", err, script, out)
			}
		})
	}
	runExamples(t, env)
}

// fileName matches the first line of a program that names its file.
var fileName = regexp.MustCompile(`^# (\w+\.py)\n`)

// walk returns a shell script with the commands of a document, and their number. All programs in
// Python of a document are one program, which runs after the commands. Files that the document shows
// are written to dir.
func walk(t *testing.T, name, text, dir string) (script string, ran int) {
	t.Helper()
	program := ""
	for i, b := range block.FindAllStringSubmatch(text, -1) {
		language, code := b[1], b[2]
		skip := false
		for part := range notRun {
			skip = skip || strings.Contains(code, part)
		}
		if skip {
			continue
		}
		file := ""
		switch language {
		case "sh":
			script += code
			ran++
		case "toml":
			file = "job.toml" // the one file in TOML that the commands read
		case "python":
			switch {
			case name == "docs/functions.md":
				file = fmt.Sprintf("block%d.py", i)
				script += fmt.Sprintf("fas functions apply block%d --file %s\n", i, file)
				ran++
			case fileName.MatchString(code):
				file = fileName.FindStringSubmatch(code)[1]
			default:
				program += code
			}
		}
		if file != "" {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(code), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if program != "" {
		file := strings.NewReplacer("/", "-", ".md", ".py").Replace(name)
		if err := os.WriteFile(filepath.Join(dir, file), []byte(program), 0o644); err != nil {
			t.Fatal(err)
		}
		script += ".venv/bin/python " + file + "\n"
		ran++
	}
	return script, ran
}

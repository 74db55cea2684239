package examples

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// root is the folder of the source tree, relative to this package.
const root = "../.."

// startTimeout bounds the start of a server whose guest is not compiled yet.
const startTimeout = 2 * time.Minute

// runExamples runs every example: first the commands of its README, then main.py with args.json.
func runExamples(t *testing.T, env []string) {
	mains, err := filepath.Glob(filepath.Join(root, "examples", "*", "main.py"))
	if err != nil {
		t.Fatal(err)
	}
	if len(mains) == 0 {
		t.Fatal("there are no examples")
	}
	for _, main := range mains {
		dir := filepath.Dir(main)
		t.Run(filepath.ToSlash(strings.TrimPrefix(dir, root+"/")), func(t *testing.T) {
			runReadme(t, env, dir)
			compareResult(t, env, dir)
		})
	}
}

// binary returns the absolute path of the program under test. It builds the program unless
// FAS_BINARY, an absolute path, names one.
func binary(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("FAS_BINARY"); path != "" {
		return path
	}
	// The go command records the folders that a test lists. It must not report the cached result of
	// a test whose binary was built from other sources.
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		hidden := path != root && strings.HasPrefix(d.Name(), ".")
		if err == nil && d.IsDir() && (hidden || d.Name() == "bin" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "fas")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "./cmd/fas")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// serveWith starts a server with further flags. It returns an environment in which the command fas is
// the program under test and finds the server by its profile, and the address of the server.
func serveWith(t *testing.T, program string, flags ...string) (env []string, at string) {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(bin, "fas")); err != nil {
		t.Fatal(err)
	}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "FAASPOT_") { // a developer's settings must not reach the test
			env = append(env, entry)
		}
	}
	env = append(env, "HOME="+dir, "FAASPOT_DIR="+dir, "NO_PROXY=127.0.0.1",
		"PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))

	address := filepath.Join(dir, "address")
	server := exec.Command(program, append([]string{"serve", "--listen", "127.0.0.1:0", "--address-file", address}, flags...)...)
	server.Env = env
	var log bytes.Buffer
	server.Stderr = &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- server.Wait() }()
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		if err := <-exited; err != nil || t.Failed() {
			t.Errorf("the server exited with %v; its log:\n%s", err, log.Bytes())
		}
	})
	deadline := time.After(startTimeout)
	for {
		if text, err := os.ReadFile(address); err == nil {
			return env, strings.TrimSpace(string(text))
		}
		select {
		case err := <-exited:
			exited <- err // for the cleanup
			t.Fatal("the server exited before it was ready")
		case <-deadline:
			t.Fatalf("the server was not ready within %v", startTimeout)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// block is a fenced block of a README: its language and its text.
var block = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// id is an output line that differs from run to run: the id of a deployment or an execution.
var id = regexp.MustCompile(`(?m)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n`)

// runReadme runs the sh blocks of an example's README one after the other. If a text block
// follows, it is the standard output of the commands before it,
// except for ids and newlines at the end.
func runReadme(t *testing.T, env []string, dir string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := block.FindAllSubmatch(text, -1)
	compared := 0
	for i, b := range blocks {
		if string(b[1]) != "sh" {
			continue
		}
		got := sh(t, env, dir, string(b[2]))
		if i+1 == len(blocks) || string(blocks[i+1][1]) != "text" {
			continue
		}
		compared++
		want := string(blocks[i+1][2])
		if strings.TrimRight(id.ReplaceAllString(got, ""), "\n") != strings.TrimRight(want, "\n") {
			t.Errorf("the commands\n%sprint\n%snot, as the README says,\n%s", b[2], got, want)
		}
	}
	if compared == 0 {
		t.Error("the README has no output to compare: no sh block with a text block behind it")
	}
}

// compareResult deploys main.py under a name of its own and compares its result with result.json.
func compareResult(t *testing.T, env []string, dir string) {
	t.Helper()
	name := "check-" + filepath.Base(dir)
	flags := ""
	if _, err := os.Stat(filepath.Join(dir, "context.toml")); err == nil {
		flags = "--context-file context.toml"
	}
	sh(t, env, dir, fmt.Sprintf("fas functions apply %s --file main.py %s", name, flags))
	result := sh(t, env, dir, fmt.Sprintf("fas functions run %s --args-file args.json --wait", name))
	file, err := os.ReadFile(filepath.Join(dir, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal([]byte(result), &got); err != nil {
		t.Fatalf("the result %s: %v", result, err)
	}
	if err := json.Unmarshal(file, &want); err != nil {
		t.Fatalf("result.json: %v", err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the result of args.json is\n%snot, as in result.json,\n%s", result, file)
	}
}

// sh runs shell commands in dir and returns their standard output. A command that fails ends the
// test.
func sh(t *testing.T, env []string, dir, commands string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", commands)
	cmd.Dir = dir
	cmd.Env = env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v in\n%s\nstandard output:\n%sstandard error:\n%s", err, commands, out, stderr.Bytes())
	}
	return string(out)
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
)

// lab is the environment of the measurements: a source tree, a temporary folder, and the programs
// built from the tree. It must not be used concurrently.
type lab struct {
	quick  bool
	root   string // folder of the source tree
	tmp    string // temporary folder
	python string // path of the native CPython 3.13
	stderr io.Writer

	modfile  string            // path of the go.mod file with the patched wazero; empty for wazero as released
	fas      string            // path of the server's binary
	compiled string            // folder with the compiled guest, copied into data folders; empty until the first server has compiled it
	sandbox  map[string]string // paths of the test binaries of runtime/sandbox that are built, by modfile
}

// newLab builds the server of this repository, with wazero as released if stock is true, and finds
// the peers.
func newLab(ctx context.Context, quick, stock bool, python string, stderr io.Writer) (*lab, error) {
	root, err := findRepository(ctx)
	if err != nil {
		return nil, err
	}
	l, err := openLab(ctx, root, stock, stderr)
	if err != nil {
		return nil, err
	}
	l.quick, l.python = quick, python
	if l.python == "" {
		l.python = filepath.Join(l.root, ".cache", "native-python", "native", "python")
	}
	return l, nil
}

// findRepository returns the folder of the repository that the program runs in.
func findRepository(ctx context.Context) (string, error) {
	root, err := output(ctx, "", "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return "", fmt.Errorf("finding the repository: run this inside it: %w", err)
	}
	return strings.TrimSpace(string(root)), nil
}

// openLab makes a lab for the source tree in root and builds the server from it as "make build"
// does: with the patched wazero, unless stock is true or the tree has no patch for this machine.
func openLab(ctx context.Context, root string, stock bool, stderr io.Writer) (_ *lab, err error) {
	l := &lab{root: root, stderr: stderr, sandbox: map[string]string{}}
	if l.tmp, err = os.MkdirTemp("", "fasbench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	const patch = "runtime/sandbox/wazeropatch"
	if _, err := os.Stat(filepath.Join(root, patch)); err == nil && !stock && goruntime.GOARCH == "amd64" {
		modfile, err := output(ctx, l.root, "go", "run", "./"+patch)
		if err != nil {
			return nil, err
		}
		l.modfile = strings.TrimSpace(string(modfile))
	}
	l.fas = filepath.Join(l.tmp, "fas")
	if err := l.build(ctx, l.modfile, "build", "-trimpath", "-o", l.fas, "./cmd/fas"); err != nil {
		return nil, err
	}
	return l, nil
}

// build runs a command of go that builds something, with a go.mod file of its own unless modfile is
// empty.
func (l *lab) build(ctx context.Context, modfile, command string, args ...string) error {
	if modfile != "" {
		args = append([]string{"-modfile=" + modfile}, args...)
	}
	_, err := output(ctx, l.root, "go", append([]string{command}, args...)...)
	return err
}

// wazero says which wazero the server is built with.
func (l *lab) wazero() string {
	if l.modfile == "" {
		return "wazero as released"
	}
	return "the patched wazero"
}

// close removes the temporary folder.
func (l *lab) close() {
	if err := os.RemoveAll(l.tmp); err != nil {
		l.say("cannot remove %s: %v", l.tmp, err)
	}
}

// say reports progress on the standard error.
func (l *lab) say(format string, args ...any) {
	fmt.Fprintf(l.stderr, "fasbench: "+format+"\n", args...)
}

// rounds returns how often to repeat a measurement: all times, or a few times in a quick run.
func (l *lab) rounds(all, few int) int {
	if l.quick {
		return few
	}
	return all
}

// newFolder creates a folder that is removed with the lab.
func (l *lab) newFolder(pattern string) (string, error) { return os.MkdirTemp(l.tmp, pattern+"-") }

// sandboxTests builds the test binary of runtime/sandbox on the first call for a go.mod file, which
// is the module's own if modfile is empty. It returns the binary's path and the folder to run it in.
// Callers run it directly instead of through go test, so that killing the process kills the whole
// test.
func (l *lab) sandboxTests(ctx context.Context, modfile string) (binary, dir string, err error) {
	dir = filepath.Join(l.root, "runtime", "sandbox")
	if l.sandbox[modfile] == "" {
		binary = filepath.Join(l.tmp, fmt.Sprintf("sandbox%d.test", len(l.sandbox)))
		if err := l.build(ctx, modfile, "test", "-c", "-o", binary, "./runtime/sandbox"); err != nil {
			return "", "", err
		}
		l.sandbox[modfile] = binary
	}
	return l.sandbox[modfile], dir, nil
}

// output runs a program until it exits and returns its standard output.
func output(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.WaitDelay = stopTime
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = errors.Join(err, context.Cause(ctx))
		}
		return nil, fmt.Errorf("%s %s: %w\n%s", name, head(strings.Join(args, " ")), err, tail(append(out.Bytes(), log.Bytes()...)))
	}
	return out.Bytes(), nil
}

// head returns the beginning of a program's args, at most 200 bytes, for an error message.
func head(args string) string {
	const limit = 200
	if len(args) > limit {
		return args[:limit] + "..."
	}
	return args
}

// tail returns the end of a program's output, at most 2,000 bytes, for an error message.
func tail(text []byte) []byte {
	const limit = 2000
	text = bytes.TrimSpace(text)
	return text[max(len(text)-limit, 0):]
}

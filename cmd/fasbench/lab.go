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

	fas      string // path of the server's binary
	compiled string // folder with the compiled guest, copied into data folders; empty until the first server has compiled it
	sandbox  string // path of the test binary of runtime/sandbox; empty until it is built
}

// newLab builds the server of this repository and finds the peers.
func newLab(ctx context.Context, quick bool, python string, stderr io.Writer) (*lab, error) {
	root, err := findRepository(ctx)
	if err != nil {
		return nil, err
	}
	l, err := openLab(ctx, root, stderr)
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

// openLab makes a lab for the source tree in root and builds the server from it.
func openLab(ctx context.Context, root string, stderr io.Writer) (_ *lab, err error) {
	l := &lab{root: root, stderr: stderr}
	if l.tmp, err = os.MkdirTemp("", "fasbench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	l.fas = filepath.Join(l.tmp, "fas")
	if _, err := output(ctx, l.root, "go", "build", "-trimpath", "-o", l.fas, "./cmd/fas"); err != nil {
		return nil, err
	}
	return l, nil
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

// sandboxTests builds the test binary of runtime/sandbox on the first call and returns its path and
// the folder to run it in. Callers run it directly instead of through go test, so that killing the
// process kills the whole test.
func (l *lab) sandboxTests(ctx context.Context) (binary, dir string, err error) {
	dir = filepath.Join(l.root, "runtime", "sandbox")
	if l.sandbox == "" {
		binary = filepath.Join(l.tmp, "sandbox.test")
		if _, err := output(ctx, l.root, "go", "test", "-c", "-o", binary, "./runtime/sandbox"); err != nil {
			return "", "", err
		}
		l.sandbox = binary
	}
	return l.sandbox, dir, nil
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
		return nil, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, tail(append(out.Bytes(), log.Bytes()...)))
	}
	return out.Bytes(), nil
}

// tail returns the end of a program's output, at most 2,000 bytes, for an error message.
func tail(text []byte) []byte {
	const limit = 2000
	text = bytes.TrimSpace(text)
	return text[max(len(text)-limit, 0):]
}

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/cmd/fas/internal/project/projecttest"
)

// pty is the side of a pseudo terminal from which a test presses keys and reads what is shown.
type pty struct {
	*os.File
	mu    sync.Mutex
	shown strings.Builder
	from  int // what await has passed
}

// newPTY returns a pseudo terminal of 80 columns, and its other side, for a command.
func newPTY(t *testing.T) (*pty, *os.File) {
	t.Helper()
	main, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no pseudo terminals: %v", err)
	}
	t.Cleanup(func() { _ = main.Close() })
	number, err := unix.IoctlGetInt(int(main.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(main.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(main.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	}
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	p := &pty{File: main}
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := main.Read(buffer)
			p.mu.Lock()
			p.shown.Write(buffer[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return p, other
}

// await waits until a text is shown behind the last one, and returns what is between them.
func (p *pty) await(t *testing.T, text string) string {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		shown := p.shown.String()
		p.mu.Unlock()
		if at := strings.Index(shown[p.from:], text); at >= 0 {
			between := shown[p.from : p.from+at]
			p.from += at + len(text)
			return between
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t.Fatalf("%q is not shown behind %q", text, p.shown.String()[p.from:])
	return ""
}

func (p *pty) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := p.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// TestDevKeys presses keys in `fas dev` on a terminal.
func TestDevKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for servers, which start slowly under the race detector")
	}
	dir := t.TempDir()
	projecttest.Write(t, dir, map[string]string{
		"proj/a.py": "def main(args, context):\n    return [\"first\", args]\n",
		"proj/job.toml": `name = "nightly"
function = "a"
[[triggers]]
type = "cron"
schedule = "0 3 * * *"
tasks = [{ kind = "daily", text = "` + strings.Repeat("long ", 40) + `" }]
[[triggers]]
type = "http-async"
path = "later"
callback_url = "https://example.com/done"
`,
		"bin/xdg-open": "#!/bin/sh\necho \"$1\" > \"$HOME/opened\"\n",
		"bin/editor":   "#!/bin/sh\necho '{\"n\": 7}' > \"$1\"\n",
	})
	data := filepath.Join(dir, ".faaspot", "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(compiledGuest(t), filepath.Join(data, "cache")); err != nil {
		t.Fatal(err)
	}
	start := func(args ...string) (*pty, *exec.Cmd) {
		t.Helper()
		p, other := newPTY(t)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		t.Cleanup(cancel)
		cmd := exec.CommandContext(ctx, "fas", append([]string{"dev", "proj", "--fresh"}, args...)...)
		cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, other, other, other
		cmd.Env = append(os.Environ(), "HOME="+dir, "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"), "EDITOR="+filepath.Join(dir, "bin", "editor"), "TERM=xterm")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return p, cmd
	}
	quit := func(p *pty, cmd *exec.Cmd) {
		t.Helper()
		p.press(t, "q")
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}

	p, cmd := start()
	p.await(t, "schedules do not fire")
	p.await(t, "job nightly: created")
	p.await(t, "ran a({})")
	// A trigger is chosen, and the runs of the job are shown, on a line each.
	p.press(t, "t")
	p.await(t, "1  nightly: 0 3 * * *")
	p.await(t, "2  nightly: http-async later")
	p.await(t, "press a digit")
	p.press(t, "1")
	p.await(t, "a({\"kind\":")
	if line := p.await(t, "Success in "); strings.Contains(line, "\n") || !strings.Contains(line, "...): ") || len(line) > 70 {
		t.Errorf("the run is %q", line)
	}
	// A callback to another machine is not sent.
	p.press(t, "t")
	p.await(t, "press a digit")
	p.press(t, "2")
	p.await(t, "callback to https://example.com/done: kept back")
	p.await(t, `"status": "succeeded"`)
	// Any other key leaves the choice.
	p.press(t, "t")
	p.await(t, "press a digit")
	p.press(t, "l2l")
	p.await(t, "logs are off")
	if between := p.await(t, "logs are on"); strings.Contains(between, "started") {
		t.Errorf("a digit fires a trigger later: %q", between)
	}
	p.press(t, "o")
	p.await(t, "the console is open")
	if opened, err := os.ReadFile(filepath.Join(dir, "opened")); err != nil || !strings.Contains(string(opened), "/console/#ticket=") {
		t.Errorf("opened %q, %v", opened, err)
	}
	p.press(t, "a")
	p.await(t, "ran a({\"n\": 7}")
	// The terminal is cleared before a change is deployed.
	projecttest.Write(t, dir, map[string]string{"proj/a.py": "def main(args, context):\n    return [\"second\", args]\n"})
	p.await(t, "\x1b[2J")
	p.await(t, "deployed a, version 2")
	p.await(t, "what has changed:")
	quit(p, cmd)

	p, cmd = start("--no-clear", "--cron")
	if between := p.await(t, "ran a({})"); strings.Contains(between, "schedules do not fire") {
		t.Errorf("with --cron: %q", between)
	}
	projecttest.Write(t, dir, map[string]string{"proj/a.py": "def main(args, context):\n    return [\"third\", args]\n"})
	if between := p.await(t, "deployed a, version 2"); strings.Contains(between, "\x1b[2J") {
		t.Errorf("the terminal is cleared: %q", between)
	}
	quit(p, cmd)
}

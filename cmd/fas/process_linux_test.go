package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/runtime"
)

// serverProcess is `fas serve` as a process of its own.
type serverProcess struct {
	*client.Client
	pid int
}

func startServer(t *testing.T) *serverProcess {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The test binary is the program when it is called by the program's name.
	program := filepath.Join(dir, "fas")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	const token = "a token of this test alone"
	address := filepath.Join(dir, "address")
	cmd := exec.Command(program, "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "data"), "--address-file", address)
	cmd.Env = append(os.Environ(), "HOME="+dir, "FAASPOT_DIR="+dir, "FAASPOT_ADMIN_TOKEN="+token)
	var talk bytes.Buffer
	cmd.Stderr = &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
		if t.Failed() {
			t.Logf("the server:\n%s", talk.Bytes())
		}
	})
	for {
		if at, err := os.ReadFile(address); err == nil {
			c, err := client.New(client.Options{URL: "http://" + strings.TrimSpace(string(at)), Token: token})
			if err != nil {
				t.Fatal(err)
			}
			return &serverProcess{c, cmd.Process.Pid}
		}
		select {
		case <-exited:
			t.Fatal("the server ended")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *serverProcess) create(t *testing.T, name, code string, timeout float64, memory int64) {
	t.Helper()
	if _, err := s.Create(t.Context(), client.CreateRequest{Name: name, Code: code, Timeout: timeout, Memory: memory}); err != nil {
		t.Fatal(err)
	}
}

// peak tells the most memory the server has had resident since the last call,
// in bytes: see VmHWM in proc_pid_status(5) and clear_refs in proc_pid_clear_refs(5).
func (s *serverProcess) peak(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "VmHWM:")
	var kib int64
	if _, err := fmt.Sscanf(rest, "%d kB", &kib); !found || err != nil {
		t.Fatalf("no peak in %s: %v", text, err)
	}
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.pid), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	return kib * runtime.KiB
}

// TestServerAnswersBesideEndlessLoops: more of them than there are processors,
// none of which has ended when all answers are there.
func TestServerAnswersBesideEndlessLoops(t *testing.T) {
	s := startServer(t)
	s.create(t, "endless", "def main(args, context):\n    while True: pass\n", 300, 0)
	s.create(t, "brief", "def main(args, context): return args['n']\n", 0, 0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const loops = 8
	ended := make(chan error, loops)
	for range loops {
		go func() {
			_, err := s.Run(ctx, "endless", []byte("{}"))
			ended <- err
		}()
	}
	for i := range 100 {
		if _, err := s.Health(t.Context()); err != nil {
			t.Fatal(err)
		}
		answer, err := s.Run(t.Context(), "brief", fmt.Appendf(nil, `{"n":%d}`, i))
		if err != nil || string(answer.Result) != fmt.Sprint(i) {
			t.Fatalf("run %d: %s, %v", i, answer.Result, err)
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("an endless loop ended: %v", err)
	default:
	}
}

// TestServerStaysWithinTheMemoryOfItsRuns asks for more memory than a function
// may have, in every way that has a shape of its own.
func TestServerStaysWithinTheMemoryOfItsRuns(t *testing.T) {
	s := startServer(t)
	const limit = 128 // MB
	// What the server needs beside a run: args, results and logs, the next
	// slot, what Go has not collected yet.
	const beside = 96 * runtime.MiB
	s.create(t, "warm", "def main(args, context): return 1\n", 0, limit)
	if _, err := s.Run(t.Context(), "warm", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	s.peak(t)
	idle := s.peak(t)
	for i, hog := range []string{
		"bytearray(10**10)",
		"[0] * 10**9",
		"'x' * 2**31",
		"{i: str(i) for i in range(10**9)}",
		"l = []\n    while True: l.append(bytes(10**5))",
		"l = []\n    while True:\n        try: l.append(bytearray(10**7))\n        except MemoryError: l.append(bytes(10))",
		"open('/tmp/f', 'wb').write(bytes(10**8))",
		"while True: print('x' * 10**6)",
	} {
		name := fmt.Sprintf("hog%d", i)
		s.create(t, name, "def main(args, context):\n    "+hog+"\n    return 0\n", 2, limit)
		_, _ = s.Run(t.Context(), name, []byte("{}")) // how it ends is for other tests
		if peak := s.peak(t); peak > idle+limit*runtime.MiB+beside {
			t.Errorf("%s: the server had %d MB, idle it has %d", hog, peak/runtime.MiB, idle/runtime.MiB)
		} else {
			t.Logf("%s: %d MB beyond idle", hog, (peak-idle)/runtime.MiB)
		}
	}
}

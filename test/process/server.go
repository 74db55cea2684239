//go:build linux

package process

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Exit statuses of `fas`, as docs/cli.md promises them.
const (
	ExitOK          = 0
	ExitFailure     = 1
	ExitUnavailable = 5
)

// Server is a server process on a site. Its Client is nil until the server is ready.
type Server struct {
	*Client
	Site    *Site
	Cmd     *exec.Cmd
	LogFile string
	Began   time.Time     // when the process was started
	Exited  chan struct{} // closed when the process has ended

	address string // file into which the server writes its address
}

// Launch starts a server and does not wait until it is ready.
func (s *Site) Launch(t *testing.T, flags ...string) *Server {
	t.Helper()
	log, err := os.CreateTemp(s.Home, "log-*")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	l := &Server{Site: s, LogFile: log.Name(), address: filepath.Join(s.Home, "address"), Exited: make(chan struct{})}
	if err := os.Remove(l.address); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	args := slices.Concat(s.Enter, []string{Binary(t), "serve", "--listen", "127.0.0.1:0", "--data", s.Data, "--address-file", l.address, "--public-url", publicURL}, s.flags, flags)
	l.Cmd = exec.Command(args[0], args[1:]...)
	l.Cmd.Env = append(os.Environ(), "HOME="+s.Home, "FAASPOT_DIR="+s.Home, envAdminToken+"="+s.Token)
	l.Cmd.Stderr = log
	l.Began = time.Now()
	if err := l.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = l.Cmd.Wait() // the result is in the ProcessState
		close(l.Exited)
	}()
	t.Cleanup(func() {
		l.Kill()
		if _, err := os.Stat(l.LogFile); err == nil && t.Failed() {
			t.Logf("the server with pid %d:\n%s", l.Cmd.Process.Pid, l.Log(t))
		}
	})
	return l
}

// Serve starts a server and waits until it is ready.
func (s *Site) Serve(t *testing.T, flags ...string) *Server {
	t.Helper()
	l := s.Launch(t, flags...)
	if !l.Ready(t, nil) {
		t.Fatalf("the server ended before it was ready:\n%s", l.Log(t))
	}
	return l
}

// Ready waits until the server is ready. It returns false if the server ends first, or if giveUp
// delivers.
func (l *Server) Ready(t *testing.T, giveUp <-chan time.Time) bool {
	t.Helper()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	late := time.After(Patience)
	for {
		if address, err := os.ReadFile(l.address); err == nil {
			l.Client = NewClient("http://"+strings.TrimSpace(string(address)), l.Site.Token)
			t.Cleanup(l.Close)
			return true
		}
		select {
		case <-poll.C:
		case <-l.Exited:
			return false
		case <-giveUp:
			return false
		case <-late:
			t.Fatalf("the server did not become ready:\n%s", l.Log(t))
		}
	}
}

// Kill sends SIGKILL and waits until the process has ended.
func (l *Server) Kill() {
	_ = l.Cmd.Process.Kill()
	<-l.Exited
}

// Signal sends a signal.
func (l *Server) Signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := l.Cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// Wait waits until the process has ended and returns its status.
func (l *Server) Wait(t *testing.T) syscall.WaitStatus {
	t.Helper()
	select {
	case <-l.Exited:
	case <-time.After(Patience):
		t.Fatalf("the server does not end:\n%s", l.Log(t))
	}
	return l.Cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// WaitExit waits until the process has ended and fails the test unless it exited with the status.
func (l *Server) WaitExit(t *testing.T, status int) {
	t.Helper()
	if got := l.Wait(t); !got.Exited() || got.ExitStatus() != status {
		t.Fatalf("the server ended with %v, want status %d:\n%s", l.Cmd.ProcessState, status, l.Log(t))
	}
}

// Log returns the last 8000 bytes of the server's log.
func (l *Server) Log(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(l.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	const most = 8000
	if len(text) > most {
		text = text[len(text)-most:]
		text = append([]byte("[...]\n"), text[bytes.IndexByte(text, '\n')+1:]...)
	}
	return string(text)
}

// RemoveLog removes the log of a server that has ended.
func (l *Server) RemoveLog(t *testing.T) {
	t.Helper()
	if err := os.Remove(l.LogFile); err != nil {
		t.Fatal(err)
	}
}

// WaitLog waits until the log contains a text.
func (l *Server) WaitLog(t *testing.T, text string) {
	t.Helper()
	Until(t, "the log has "+text, func() bool { return strings.Contains(l.Log(t), text) })
}

// Goroutines ends the server and returns the number of goroutines that it had. Workers that wait
// for the next connection do not count.
func (l *Server) Goroutines(t *testing.T) int {
	t.Helper()
	l.Signal(t, syscall.SIGQUIT) // the Go runtime prints all goroutines and exits
	l.Wait(t)
	text, err := os.ReadFile(l.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	n, creators := 0, map[string]int{}
	for stack := range strings.SplitSeq(string(text), "\n\n") {
		idle := strings.Contains(stack, "workerFunc(") && !strings.Contains(stack, "serveConn(")
		if strings.HasPrefix(stack, "goroutine ") && !idle {
			n++
			_, creator, _ := strings.Cut(stack, "\ncreated by ")
			creator, _, _ = strings.Cut(creator, " in goroutine")
			creators[creator]++
		}
	}
	t.Logf("%d goroutines, by who created them: %v", n, creators)
	if n == 0 {
		t.Fatalf("the log shows no goroutines:\n%s", text)
	}
	l.RemoveLog(t)
	return n
}

// Descriptors returns the number of open files and connections of the server.
func (l *Server) Descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", l.Cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// Peak returns the largest resident memory of the server since the last call, in bytes: see VmHWM
// in proc_pid_status(5) and clear_refs in proc_pid_clear_refs(5).
func (l *Server) Peak(t *testing.T) int64 {
	t.Helper()
	pid := l.Cmd.Process.Pid
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "VmHWM:")
	var kib int64
	if _, err := fmt.Sscanf(rest, "%d kB", &kib); !found || err != nil {
		t.Fatalf("no peak in %s: %v", text, err)
	}
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// publicURL is what servers on a site call themselves, so that what they tell of
// an execution is the same text in all of their lives.
const publicURL = "http://faaspot.test"

// site is a data folder on which servers run, one after the other.
type site struct {
	home  string // of the user who runs them
	data  string
	token string
	flags []string // of fas serve, beyond those that all have
}

// newSite makes a data folder that is empty but for what compiling the guest
// gives.
func newSite(t *testing.T, flags ...string) *site {
	t.Helper()
	home := t.TempDir()
	return newSiteIn(t, home, filepath.Join(home, "data"), flags...)
}

// newSiteIn is newSite with the data somewhere else.
func newSiteIn(t *testing.T, home, data string, flags ...string) *site {
	t.Helper()
	s := &site{home: home, data: data, token: "a token of these tests alone", flags: flags}
	if err := os.MkdirAll(s.data, dataMode); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(warmCache(t), filepath.Join(s.data, "cache")); err != nil {
		t.Fatal(err)
	}
	return s
}

// life is a server on a site, as a process of its own.
type life struct {
	*caller
	site   *site
	cmd    *exec.Cmd
	file   string // where it writes its address
	talk   string // file of its log
	began  time.Time
	exited chan struct{} // closed when it has ended
}

// launch starts a server and does not wait until it is ready.
func (s *site) launch(t *testing.T, flags ...string) *life {
	t.Helper()
	talk, err := os.CreateTemp(s.home, "talk-*.log")
	if err != nil {
		t.Fatal(err)
	}
	defer talk.Close()
	l := &life{site: s, talk: talk.Name(), file: filepath.Join(s.home, "address"), exited: make(chan struct{})}
	if err := os.Remove(l.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	args := []string{"serve", "--listen", "127.0.0.1:0", "--data", s.data, "--address-file", l.file, "--public-url", publicURL}
	l.cmd = exec.Command("fas", append(append(args, s.flags...), flags...)...)
	l.cmd.Env = append(os.Environ(), "HOME="+s.home, "FAASPOT_DIR="+s.home, envAdminToken+"="+s.token)
	l.cmd.Stderr = talk
	l.began = time.Now()
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = l.cmd.Wait() // how it ended is in the ProcessState
		close(l.exited)
	}()
	t.Cleanup(func() {
		l.kill()
		if _, err := os.Stat(l.talk); err == nil && t.Failed() {
			t.Logf("the server with pid %d:\n%s", l.cmd.Process.Pid, l.said(t))
		}
	})
	return l
}

// serve starts a server and waits until it is ready.
func (s *site) serve(t *testing.T, flags ...string) *life {
	t.Helper()
	l := s.launch(t, flags...)
	if !l.ready(t, nil) {
		t.Fatalf("the server ended before it was ready:\n%s", l.said(t))
	}
	return l
}

// ready waits until the server is ready and gives true, or false if it ends
// before or giveUp has something.
func (l *life) ready(t *testing.T, giveUp <-chan time.Time) bool {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	late := time.After(patience)
	for {
		if at, err := os.ReadFile(l.file); err == nil {
			l.caller = newCaller("http://"+strings.TrimSpace(string(at)), l.site.token)
			t.Cleanup(l.close)
			return true
		}
		select {
		case <-look.C:
		case <-l.exited:
			return false
		case <-giveUp:
			return false
		case <-late:
			t.Fatalf("the server did not become ready:\n%s", l.said(t))
		}
	}
}

// kill ends the process as the kernel does when it has to, and waits for that.
func (l *life) kill() {
	_ = l.cmd.Process.Kill()
	<-l.exited
}

// tell sends a signal.
func (l *life) tell(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := l.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// end waits until the process has ended, and gives how.
func (l *life) end(t *testing.T) syscall.WaitStatus {
	t.Helper()
	select {
	case <-l.exited:
	case <-time.After(patience):
		t.Fatalf("the server does not end:\n%s", l.said(t))
	}
	return l.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// endsWith waits until the process has ended and wants an exit status.
func (l *life) endsWith(t *testing.T, status int) {
	t.Helper()
	if got := l.end(t); !got.Exited() || got.ExitStatus() != status {
		t.Fatalf("the server ended with %v, want status %d:\n%s", l.cmd.ProcessState, status, l.said(t))
	}
}

// said is what the server wrote to its log so far, or the end of it.
func (l *life) said(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(l.talk)
	if err != nil {
		t.Fatal(err)
	}
	const most = 8000 // the end tells how it went
	if len(text) > most {
		text = text[len(text)-most:]
		text = append([]byte("[...]\n"), text[bytes.IndexByte(text, '\n')+1:]...)
	}
	return string(text)
}

// forget removes the log of a server that has ended.
func (l *life) forget(t *testing.T) {
	t.Helper()
	if err := os.Remove(l.talk); err != nil {
		t.Fatal(err)
	}
}

// saysSoon waits until the log has a text.
func (l *life) saysSoon(t *testing.T, text string) {
	t.Helper()
	until(t, "the log has "+text, func() bool { return strings.Contains(l.said(t), text) })
}

// until waits for something that happens in another process.
func until(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not happen that %s", what)
		}
	}
}

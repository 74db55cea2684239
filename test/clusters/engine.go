//go:build linux

package clusters

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/freeport"
	"github.com/faaspot/faaspot/test/process"
)

// Name is the name of the clusters.
const Name = "test"

// pollTime is the time between two questions that start a process, read files or make connections.
const pollTime = 20 * time.Millisecond

// Engine is a server of a log.
type Engine struct {
	Name    string
	LogFile string
	Exited  chan error // has the result of the process when it has ended

	args   []string
	health string
	data   string
	cmd    *exec.Cmd
}

// Start starts the server.
func (e *Engine) Start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(e.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	e.cmd = exec.Command(e.args[0], e.args[1:]...)
	e.cmd.Stderr = log
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e.Exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan error) { exited <- cmd.Wait() }(e.cmd, e.Exited)
	t.Cleanup(func() { _ = e.cmd.Process.Kill() })
}

// Kill sends SIGKILL and waits until the process has ended.
func (e *Engine) Kill() {
	_ = e.cmd.Process.Kill()
	err := <-e.Exited
	e.Exited <- err
}

// Signal sends a signal.
func (e *Engine) Signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := e.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// IsReady reports whether the server is one of a majority and has what the others have; it returns its answer, too.
func (e *Engine) IsReady() (ok bool, answer string) {
	r, err := (&http.Client{Timeout: 2 * time.Second}).Get("http://" + e.health + "/readyz")
	if err != nil {
		return false, err.Error()
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	return r.StatusCode == http.StatusOK, string(text)
}

// Ready waits until the server is ready.
func (e *Engine) Ready(t *testing.T) {
	t.Helper()
	last := ""
	for end := time.Now().Add(process.Patience); time.Now().Before(end); time.Sleep(pollTime) {
		var ok bool
		if ok, last = e.IsReady(); ok {
			return
		}
	}
	t.Fatalf("the engine is not ready: %s\n%s", last, e.Log(t))
}

// Log returns the log of the server.
func (e *Engine) Log(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(e.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Log is a log of three servers, a, b and c.
type Log struct {
	Engines []*Engine
	URLs    []string
	KeyFile string

	network *Network // nil: the loopback interface
}

// StartLog starts the servers of a log, and waits until they are ready.
func StartLog(t *testing.T) *Log {
	t.Helper()
	return startLog(t, nil)
}

func startLog(t *testing.T, network *Network) *Log {
	t.Helper()
	dir := t.TempDir()
	l := &Log{KeyFile: filepath.Join(dir, "key"), network: network}
	if err := os.WriteFile(l.KeyFile, []byte(strings.Repeat("0123456789abcdef", 4)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var hosts []*Host
	var peers []string
	for i := range 3 {
		name := string(rune('a' + i))
		hosts = append(hosts, network.host(t, "engine-"+name))
		peers = append(peers, name+"="+hosts[i].address(t, 6222))
	}
	for i, h := range hosts {
		listen := h.address(t, 4222)
		l.URLs = append(l.URLs, "nats://"+listen)
		e := &Engine{
			Name: string(rune('a' + i)), health: h.address(t, 8222), LogFile: filepath.Join(dir, fmt.Sprint("log", i)), data: filepath.Join(dir, fmt.Sprint("data", i)),
		}
		e.args = append(h.enter(), process.Binary(t), "engine", "--name", e.Name, "--peers", strings.Join(peers, ","), "--listen", listen, "--health-listen", e.health,
			"--cluster-key-file", l.KeyFile, "--data", e.data, "--max-store", "8GB", "--grace", "2s")
		e.Start(t)
		l.Engines = append(l.Engines, e)
	}
	for _, e := range l.Engines {
		e.Ready(t)
	}
	return l
}

// KillServers kills all servers.
func (l *Log) KillServers() {
	for _, e := range l.Engines {
		e.Kill()
	}
}

// StartServers starts all servers, and waits until they are ready.
func (l *Log) StartServers(t *testing.T) {
	t.Helper()
	for _, e := range l.Engines {
		e.Start(t)
	}
	for _, e := range l.Engines {
		e.Ready(t)
	}
}

// LoseDisks lets all servers end, lose their disks and start again.
func (l *Log) LoseDisks(t *testing.T) {
	t.Helper()
	l.KillServers()
	for _, e := range l.Engines {
		if err := os.RemoveAll(e.data); err != nil {
			t.Fatal(err)
		}
	}
	l.StartServers(t)
}

// address returns the address of a port of the host; on the loopback interface, of any port.
func (h *Host) address(t *testing.T, port int) string {
	t.Helper()
	if h == nil {
		return freeport.Address(t)
	}
	return net.JoinHostPort(h.IP, fmt.Sprint(port))
}

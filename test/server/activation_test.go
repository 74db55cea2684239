//go:build linux

package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/faaspot/faaspot/test/freeport"
	"github.com/faaspot/faaspot/test/process"
)

// activated is a command that starts a server with sockets, as sd_listen_fds(3) describes it. LISTEN_PID is the
// number of the process, which is known once it runs.
func activated(t *testing.T, s *process.Site, names string, sockets ...*os.File) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$@"`, "-", process.Binary(t), "serve", "--data", s.Data, "--grace", process.Patience.String())
	cmd.Env = append(os.Environ(), "HOME="+s.Home, "FAASPOT_DIR="+s.Home, "FAASPOT_ADMIN_TOKEN="+s.Token,
		fmt.Sprint("LISTEN_FDS=", len(sockets)), "LISTEN_FDNAMES="+names)
	cmd.ExtraFiles = sockets
	return cmd
}

// socket opens a socket as a service manager does, and returns it with its address.
func socket(t *testing.T) (f *os.File, address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err = ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := ln.Close(); err != nil { // the other one stays open
		t.Fatal(err)
	}
	return f, ln.Addr().String()
}

// lives are the servers that have one socket one after the other.
type lives struct {
	site    *process.Site
	sockets []*os.File
	names   string
	log     *os.File
	cmd     *exec.Cmd
}

func (l *lives) start(t *testing.T) {
	t.Helper()
	l.cmd = activated(t, l.site, l.names, l.sockets...)
	l.cmd.Stderr = l.log
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

func (l *lives) end(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := l.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	if err := l.cmd.Wait(); signal == syscall.SIGTERM && err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// While a server is stopped and the next one starts on the same socket, no request of a new connection fails: each
// gets its answer from the one or the other, and what was accepted is run. After a crash, connections that the server
// had not accepted wait for the next one.
func TestRestartsOnTheSameSocket(t *testing.T) {
	t.Parallel()
	api, address := socket(t)
	health, healthAddress := socket(t)
	log, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	l := &lives{site: process.NewSite(t), sockets: []*os.File{api, health}, names: "faaspot.socket:health_listen", log: log}
	l.start(t)
	t.Cleanup(func() {
		_ = l.cmd.Process.Kill()
		_ = l.cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("the servers:\n%s", text)
		}
	})
	fresh := func() *process.Client { return process.NewClient("http://"+address, l.site.Token) }
	c := fresh()
	c.Must(t, "GET", "/readyz", "") // it waits until the server is ready
	c.Deploy(t, "echo", process.EchoCode)
	process.NewClient("http://"+healthAddress, "").Must(t, "GET", "/readyz", "")

	var mu sync.Mutex
	var ids []string
	var wrong []string
	var stop atomic.Bool
	var customers sync.WaitGroup
	for n := range 4 {
		customers.Go(func() {
			for i := 0; !stop.Load(); i++ {
				c := fresh() // with a connection of its own
				args := fmt.Sprintf(`{"n":%d}`, n+4*i)
				path := "/v1/functions/echo/rpc/"
				if i%2 == 1 {
					path = "/v1/sync/functions/echo/rpc/"
				}
				r, err := c.Do(context.Background(), "POST", path, args)
				c.Close()
				mu.Lock()
				switch {
				case err != nil || r.Status != http.StatusOK:
					wrong = append(wrong, fmt.Sprintf("%s: %d %s, %v", path, r.Status, r.Body, err))
				case i%2 == 0:
					ids = append(ids, strings.Trim(string(r.Body), "\"\n"))
				}
				mu.Unlock()
			}
		})
	}
	answers := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(ids) + len(wrong)
	}
	const restarts = 4
	for range restarts {
		had := answers()
		process.Until(t, "requests are answered", func() bool { return answers() > had+20 })
		l.end(t, syscall.SIGTERM)
		l.start(t)
	}
	had := answers()
	process.Until(t, "requests are answered", func() bool { return answers() > had+20 })
	stop.Store(true)
	customers.Wait()
	for _, what := range wrong {
		t.Errorf("during a restart: %s", what)
	}
	for _, x := range fresh().WaitAll(t, ids) {
		if x.Status != process.Success {
			t.Errorf("%s", x.Text)
		}
	}
	t.Logf("%d background runs over %d restarts", len(ids), restarts)

	l.end(t, syscall.SIGKILL)
	waiting := process.InBackground(func() (process.Reply, error) { return fresh().Do(context.Background(), "GET", "/readyz", "") })
	l.start(t)
	if a := <-waiting; a.Err != nil || a.Status != http.StatusOK {
		t.Errorf("a request between two servers: %d, %v", a.Status, a.Err)
	}
	l.end(t, syscall.SIGTERM)
	text, err := os.ReadFile(log.Name())
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, `"level":"INFO"`) && !strings.Contains(line, "the disk is slow") {
			t.Errorf("the log: %s", line)
		}
	}
	for _, want := range []string{`"setting":"listen","socket":"faaspot.socket","address":"` + address, `"setting":"health_listen","socket":"health_listen","address":"` + healthAddress} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the log has no %s", want)
		}
	}
}

// Sockets that cannot be served end the start with a reason and what to do; those for another process are ignored.
func TestSocketsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	datagrams, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	udp, err := datagrams.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	local, err := net.Listen("unix", t.TempDir()+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	unix, err := local.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	one, address := socket(t)
	two, _ := socket(t)
	dialed, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer dialed.Close()
	connected, err := dialed.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer connected.Close()
	for name, of := range map[string]struct {
		names   string
		sockets []*os.File
		want    string
	}{
		"a file":        {"api", []*os.File{file}, `the socket "api" of the service manager cannot be used`},
		"of UDP":        {"api", []*os.File{udp}, `the socket "api" of the service manager cannot be used`},
		"of a path":     {"api", []*os.File{unix}, "it is not one of TCP"},
		"connected":     {"api", []*os.File{connected}, "it does not listen"},
		"two":           {"a:b", []*os.File{one, two}, "several sockets for listen"},
		"two of health": {"health_listen:health_listen", []*os.File{one, two}, "several sockets for health_listen"},
	} {
		cmd := activated(t, process.NewSite(t), of.names, of.sockets...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), of.want) || !strings.Contains(string(out), "hint: ") {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
	// As a program that was started by a service with sockets.
	t.Run("of another process", func(t *testing.T) {
		s := process.NewSite(t)
		cmd := activated(t, s, "api", one)
		cmd.Args[2] = `LISTEN_PID=1 exec "$@"`
		cmd.Args = append(cmd.Args, "--listen", "127.0.0.1:0", "--address-file", s.Home+"/address")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		process.Until(t, "the server has an address of its own", func() bool {
			select {
			case err := <-ended:
				t.Fatalf("the server has ended: %v", err)
			default:
			}
			text, err := os.ReadFile(s.Home + "/address")
			return err == nil && strings.HasPrefix(string(text), "127.0.0.1:")
		})
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// The tool of systemd starts a server when the first connection arrives, which waits for it.
func TestStartedByTheFirstConnection(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("systemd-socket-activate")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("this machine has no systemd-socket-activate")
	}
	if err != nil {
		t.Fatal(err)
	}
	address := freeport.Address(t)
	s := process.NewSite(t)
	cmd := exec.Command(program, "--listen", address, "-E", "HOME="+s.Home, "-E", "FAASPOT_ADMIN_TOKEN="+s.Token, process.Binary(t), "serve", "--data", s.Data)
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("%v: %s", err, log.String())
		}
	})
	process.Until(t, "the tool listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	process.NewClient("http://"+address, s.Token).Must(t, "GET", "/readyz", "")
}

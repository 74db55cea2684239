package tlsengine

import (
	"bufio"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/test/certs"
)

// overSocket performs an operation of an engine over a connection, and returns its status.
func overSocket(t *testing.T, e *Engine, c net.Conn, f func() Status) Status {
	t.Helper()
	for {
		s := f()
		if n, err := c.Write(e.Output()); err == nil {
			e.Sent(n)
		}
		if s != WantRead {
			return s
		}
		n, err := c.Read(e.RecordRoom())
		if e.Received(n); err != nil {
			e.End()
		}
	}
}

// TestRenegotiation checks that a server that wants to renegotiate ends the connection.
func TestRenegotiation(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl")
	}
	leaf := certs.Issue(t, nil, asServer("a.example"))
	c := exec.Command(openssl, "s_server", "-accept", "127.0.0.1:0", "-cert", file(t, certs.PEM(leaf)), "-key", file(t, leaf.KeyPEM(t)), "-tls1_2", "-naccept", "1")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		_ = c.Process.Kill()
		_ = c.Wait()
	}()
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "ACCEPT ") {
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(lines.Text(), "ACCEPT "))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	e := newEngine(t, Settings{ServerHostname: "a.example"}, Options{})
	if s := overSocket(t, e, conn, e.Handshake); s != OK {
		t.Fatalf("handshake: %d, %v", s, e.Failure())
	}
	if _, err := in.Write([]byte("hello\n")); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 100)
	n := 0
	read := func() (s Status) { n, s = e.Read(buffer); return s }
	if s := overSocket(t, e, conn, read); s != OK || string(buffer[:n]) != "hello\n" {
		t.Fatalf("read: %d, %q", s, buffer[:n])
	}
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "CIPHER is") {
	}
	if _, err := in.Write([]byte("R\n")); err != nil {
		t.Fatal(err)
	}
	if s := overSocket(t, e, conn, read); s != Failed || *e.Failure().Reason != "NO_RENEGOTIATION" {
		t.Errorf("the server renegotiates: %d, %v", s, e.Failure())
	}
}

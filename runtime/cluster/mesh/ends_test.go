//go:build linux

package mesh_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime/cluster"
	"github.com/faaspot/faaspot/runtime/cluster/mesh"
)

// until waits until something is so.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never was so: %s", what)
		}
	}
}

// rawOwner is a node that owns the data, whose connections a test serves.
func rawOwner(t *testing.T, secret string) *owner {
	t.Helper()
	ln := listen(t)
	o := &owner{name: "raw", address: ln.Addr().String(), queue: mesh.NewQueue(ln.Addr())}
	l := mesh.Listen(ln, mesh.ListenOptions{
		TLS: secure(t, secret), Log: quiet, Requests: func() *mesh.Queue { return o.queue }, Link: echo,
		Status: func() cluster.Status { return cluster.Status{Node: "raw", Address: o.address, Owns: true} },
	})
	t.Cleanup(func() { _ = l.Close() })
	t.Cleanup(func() { _ = o.queue.Close() })
	return o
}

// requests opens a connection for requests, and returns both of its ends.
func requests(t *testing.T, o *owner, secret string) (node, server net.Conn) {
	t.Helper()
	opened := make(chan net.Conn, 1)
	go func() {
		conn, err := (mesh.Dialer{TLS: secure(t, secret)}).Requests(t.Context(), o.address)
		if err != nil {
			t.Error(err)
		}
		opened <- conn
	}()
	server = accept(t, o)
	node = <-opened
	t.Cleanup(func() { _ = node.Close() })
	return node, server
}

func accept(t *testing.T, o *owner) net.Conn {
	t.Helper()
	conn, err := o.queue.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// A server sees that a node has closed a connection.
func TestServersSeeThatNodesAreGone(t *testing.T) {
	for name, secret := range map[string]string{"with a key": "k", "without a key": ""} {
		t.Run(name, func(t *testing.T) {
			o := rawOwner(t, secret)
			node, conn := requests(t, o, secret)
			gone := func() (gone bool) {
				raw, err := conn.(syscall.Conn).SyscallConn()
				if err == nil {
					err = raw.Control(func(fd uintptr) {
						fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
						_, _ = unix.Poll(fds, 0)
						gone = fds[0].Revents&unix.POLLRDHUP != 0
					})
				}
				if err != nil {
					t.Fatal(err)
				}
				return gone
			}
			if gone() {
				t.Error("the node has gone before it has")
			}
			if err := node.Close(); err != nil {
				t.Fatal(err)
			}
			until(t, "the node has gone", gone)
		})
	}
}

// Closing a connection ends a Read that waits, and nothing that the client sends is read after that.
func TestClosedConnectionsAreNotRead(t *testing.T) {
	for name, secret := range map[string]string{"with a key": "k", "without a key": ""} {
		t.Run(name, func(t *testing.T) {
			client, conn := requests(t, rawOwner(t, secret), secret)
			read := make(chan error)
			go func() {
				_, err := conn.Read(make([]byte, 1))
				read <- err
			}()
			time.Sleep(10 * time.Millisecond) // so that it mostly waits
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			if err := <-read; !errors.Is(err, net.ErrClosed) {
				t.Errorf("the Read that waited: %v", err)
			}
			if err := conn.SetReadDeadline(time.Now().Add(time.Hour)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a deadline after that: %v", err)
			}
			_ = client.SetDeadline(time.Now().Add(patience))
			if _, err := client.Write([]byte("more")); err != nil {
				t.Error(err)
			}
			if n, err := conn.Read(make([]byte, 4)); n > 0 || !errors.Is(err, net.ErrClosed) {
				t.Errorf("a Read after that: %d bytes, %v", n, err)
			}
			if text, err := io.ReadAll(client); err != nil || len(text) > 0 {
				t.Errorf("the client got %q, %v", text, err)
			}
		})
	}
}

// Connections that say nothing do not keep another node from asking for the status.
func TestStrangersLeavePlaces(t *testing.T) {
	o := rawOwner(t, "")
	for range mesh.MaxStrangers {
		conn, err := net.Dial("tcp", o.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	other := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	conn, err := other.Dial("tcp", o.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(conn, "faaspot 1 status\n")
	if text, err := bufio.NewReader(conn).ReadString('}'); err != nil || !strings.Contains(text, `"raw"`) {
		t.Errorf("%q, %v", text, err)
	}
}

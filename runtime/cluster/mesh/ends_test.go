//go:build linux

package mesh_test

import (
	"bufio"
	"context"
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
		TLS: secure(t, secret), Log: quiet, Tunnels: func() *mesh.Queue { return o.queue },
		Status: func() cluster.Status { return cluster.Status{Node: "raw", Address: o.address, Owns: true} },
	})
	t.Cleanup(func() { _ = l.Close() })
	t.Cleanup(func() { _ = o.queue.Close() })
	return o
}

func dial(t *testing.T, url string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn.(*net.TCPConn)
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

// What is led follows bounds: neither a client nor an owner holds a place for ever by not reading.
func TestClientsThatDoNotRead(t *testing.T) {
	for name, secret := range map[string]string{"with a key": "k", "without a key": ""} {
		t.Run(name, func(t *testing.T) {
			o, f := rawOwner(t, secret), newFollowerWith(t, secret, func(f *mesh.Front) { f.SetTimes(100*time.Millisecond, time.Minute) })
			f.owner.Store(o)
			dial(t, f.url)
			conn := accept(t, o)
			_ = conn.SetWriteDeadline(time.Now().Add(patience))
			for {
				if _, err := conn.Write(make([]byte, 64<<10)); err != nil {
					if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
						t.Error("the owner waits for a client that does not read")
					}
					break
				}
			}
			until(t, "no place is taken", func() bool { return f.Joined() == 0 })
		})
	}
}

// A client that sends no more gets all of an answer that takes its time.
func TestSlowAnswersAfterTheEndOfARequest(t *testing.T) {
	const half = 400 * time.Millisecond
	o, f := rawOwner(t, "k"), newFollowerWith(t, "k", func(f *mesh.Front) { f.SetTimes(time.Minute, half) })
	f.owner.Store(o)
	client := dial(t, f.url)
	if err := errors.Join(func() error { _, err := client.Write([]byte("?")); return err }(), client.CloseWrite()); err != nil {
		t.Fatal(err)
	}
	conn := accept(t, o)
	if text, err := io.ReadAll(conn); err != nil || string(text) != "?" {
		t.Fatalf("%q, %v", text, err)
	}
	go func() {
		defer conn.Close()
		for range 20 {
			time.Sleep(half / 8)
			_, _ = conn.Write([]byte("!"))
		}
	}()
	if text, err := io.ReadAll(client); err != nil || string(text) != strings.Repeat("!", 20) {
		t.Errorf("%q, %v", text, err)
	}
}

// A server sees that a client has gone, or sends no more, although another node is in between.
func TestServersSeeThatClientsAreGone(t *testing.T) {
	for name, secret := range map[string]string{"with a key": "k", "without a key": ""} {
		for how, leave := range map[string]func(*net.TCPConn) error{"closed": (*net.TCPConn).Close, "half closed": (*net.TCPConn).CloseWrite} {
			t.Run(name+", "+how, func(t *testing.T) {
				o, f := rawOwner(t, secret), newFollower(t, secret)
				f.owner.Store(o)
				client := dial(t, f.url)
				conn := accept(t, o)
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
					t.Error("the client has gone before it has")
				}
				if err := leave(client); err != nil {
					t.Fatal(err)
				}
				until(t, "the client has gone", gone)
			})
		}
	}
}

// Closing a connection ends a Read that waits, and nothing that the client sends is read after that.
func TestClosedConnectionsAreNotRead(t *testing.T) {
	for name, secret := range map[string]string{"with a key": "k", "without a key": ""} {
		t.Run(name, func(t *testing.T) {
			o := rawOwner(t, secret)
			tunnel := make(chan net.Conn)
			go func() {
				conn, err := (mesh.Dialer{TLS: secure(t, secret)}).Tunnel(t.Context(), o.address, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9})
				if err != nil {
					t.Error(err)
				}
				tunnel <- conn
			}()
			conn := accept(t, o)
			client := <-tunnel
			defer client.Close()
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

// A node that stops accepts no connections, ends those that wait for a request, and lets the others end.
func TestDrain(t *testing.T) {
	o, f := rawOwner(t, "k"), newFollower(t, "k")
	f.owner.Store(o)
	exchange := func(client, server net.Conn, answer bool) {
		t.Helper()
		fmt.Fprint(client, "?")
		if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if !answer {
			return
		}
		fmt.Fprint(server, "!")
		if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	idle := dial(t, f.url)
	exchange(idle, accept(t, o), true)
	waiting := dial(t, f.url)
	server := accept(t, o)
	exchange(waiting, server, false)

	if err := f.Stop(); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://")); err == nil {
		conn.Close()
		t.Error("a node that stops has accepted a connection")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		f.Drain(ctx)
	}()
	if text, err := io.ReadAll(idle); len(text) > 0 {
		t.Errorf("the connection that waited for a request got %q, %v", text, err)
	}
	time.Sleep(2 * time.Second) // the other one is quiet, too
	if f.Joined() != 1 {
		t.Fatalf("%d connections are left", f.Joined())
	}
	fmt.Fprint(server, "!")
	server.Close()
	if text, err := io.ReadAll(waiting); err != nil || string(text) != "!" {
		t.Errorf("the connection that waited for an answer got %q, %v", text, err)
	}
	waiting.Close()
	<-drained
	if ctx.Err() != nil || f.Joined() != 0 {
		t.Errorf("%d connections are left", f.Joined())
	}
}

// A grace period ends.
func TestDrainEnds(t *testing.T) {
	o, f := rawOwner(t, ""), newFollower(t, "")
	f.owner.Store(o)
	client := dial(t, f.url)
	server := accept(t, o)
	fmt.Fprint(client, "?")
	if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_ = f.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	f.Drain(ctx)
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if text, err := io.ReadAll(client); len(text) > 0 {
		t.Errorf("got %q, %v", text, err)
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

package worker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
)

// pair returns the two ends of a connection, which the test serves until its end.
func pair(t testing.TB, set func(c *conn)) (server, worker *conn) {
	t.Helper()
	a, b := sockets(t)
	server, err := newConn(a, false)
	if err != nil {
		t.Fatal(err)
	}
	worker, err = newConn(b, true)
	if err != nil {
		t.Fatal(err)
	}
	set(server)
	set(worker)
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.serve() })
	wg.Go(func() { _ = worker.serve() })
	t.Cleanup(func() {
		server.abort(io.EOF)
		wg.Wait()
	})
	return server, worker
}

// Calls of all sizes pass in both directions at once, although neither side reads before it has written.
func TestCallsInBothDirections(t *testing.T) {
	server, worker := pair(t, func(c *conn) {
		c.handle(kindPing, func(_ context.Context, payload []byte, _ []int) ([]byte, []int, error) { return payload, nil, nil })
	})
	var wg sync.WaitGroup
	for _, c := range []*conn{server, worker} {
		for line := range 16 {
			wg.Go(func() {
				for i := range 50 {
					payload := bytes.Repeat([]byte{byte(i)}, (line*i*397)%(maxRequest/4))
					reply, _, err := c.call(t.Context(), kindPing, payload)
					if err != nil || !bytes.Equal(reply, payload) {
						t.Errorf("%d bytes: %d, %v", len(payload), len(reply), err)
					}
				}
			})
		}
	}
	wg.Wait()
}

// Descriptors reach the frame that they were sent with, in both kinds of frames.
func TestDescriptors(t *testing.T) {
	const kindFile = firstFile
	server, worker := pair(t, func(c *conn) {
		c.handle(kindFile, func(_ context.Context, payload []byte, fds []int) ([]byte, []int, error) {
			if len(fds) != int(payload[0]) {
				t.Errorf("%d descriptors, want %d", len(fds), payload[0])
			}
			var all []byte
			for _, fd := range fds {
				f := os.NewFile(uintptr(fd), "received")
				text, err := io.ReadAll(io.NewSectionReader(f, 0, 100))
				if err != nil {
					t.Error(err)
				}
				all = append(all, text...)
				f.Close()
			}
			return all, nil, nil
		})
		c.handle(kindPing, func(context.Context, []byte, []int) ([]byte, []int, error) {
			f := temporary(t, "reply")
			defer f.Close()
			fd, err := unix.Dup(int(f.Fd()))
			return nil, []int{fd}, err
		})
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := range maxFDs + 1 {
				var fds []int
				var files []*os.File
				for range n {
					f := temporary(t, "text")
					files = append(files, f)
					fds = append(fds, int(f.Fd()))
				}
				payload := append([]byte{byte(n)}, make([]byte, n*5000)...)
				reply, _, err := server.call(t.Context(), kindFile, payload, fds...)
				if want := bytes.Repeat([]byte("text"), n); err != nil || !bytes.Equal(reply, want) {
					t.Errorf("%d descriptors: %q, %v", n, reply, err)
				}
				for _, f := range files {
					f.Close()
				}
			}
		})
	}
	for range 20 {
		wg.Go(func() {
			_, fds, err := worker.call(t.Context(), kindPing, nil)
			if err != nil || len(fds) != 1 {
				t.Errorf("%d descriptors, %v", len(fds), err)
				return
			}
			f := os.NewFile(uintptr(fds[0]), "received")
			defer f.Close()
			text := make([]byte, 5)
			if _, err := f.ReadAt(text, 0); err != nil || string(text) != "reply" {
				t.Errorf("the descriptor has %q, %v", text, err)
			}
		})
	}
	wg.Wait()
}

// temporary returns a file without a name.
func temporary(t *testing.T, text string) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "file")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	return f
}

// Errors keep what a client and the engine see of them, and nothing internal reaches a message.
func TestErrorsCross(t *testing.T) {
	busy := runtime.Errorf(runtime.CodeTooBusy, "no place").WithHint("wait")
	busy.RetryAfter = 3
	busy.Err = os.ErrDeadlineExceeded
	for _, sent := range []error{busy, errors.New("secret"), &runtime.Error{Code: "strange", Message: "secret"}} {
		got, ok := runtime.AsError(decodeError(appendError(nil, sent)))
		switch {
		case !ok:
			t.Errorf("%v is lost", sent)
		case sent == error(busy):
			if got.Code != busy.Code || got.Message != busy.Message || got.Hint != busy.Hint || got.RetryAfter != busy.RetryAfter {
				t.Errorf("%v became %v", sent, got)
			}
		case got.Code != runtime.CodeInternal || got.Message == "secret":
			t.Errorf("%v became %v", sent, got)
		}
	}
}

// The end of a context is seen by the one that is called, and the call waits for its reply.
func TestCallIsCancelled(t *testing.T) {
	called := make(chan struct{})
	server, _ := pair(t, func(c *conn) {
		c.handle(kindPing, func(ctx context.Context, _ []byte, _ []int) ([]byte, []int, error) {
			close(called)
			<-ctx.Done()
			return []byte("over"), nil, nil
		})
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-called
		cancel()
	}()
	if reply, _, err := server.call(ctx, kindPing, nil); err != nil || string(reply) != "over" {
		t.Errorf("got %q, %v", reply, err)
	}
}

// A worker that does not read does not fill the memory of the server.
func TestUnreadFramesAreBounded(t *testing.T) {
	server, worker := sockets(t)
	defer worker.Close()
	c, err := newConn(server, false)
	if err != nil {
		t.Fatal(err)
	}
	frame, sent := make([]byte, copied), 0
	for c.out.send(header{kind: kindPing}, frame, nil, nil, false) == nil {
		if sent += len(frame); sent > 2*maxUnread {
			t.Fatalf("%d bytes are kept", sent)
		}
	}
	if sent < maxUnread {
		t.Errorf("the connection ended after %d bytes", sent)
	}
	if err := c.serve(); err == nil || c.out.own != 0 {
		t.Errorf("got %v, %d bytes are counted", err, c.out.own)
	}
}

// What a caller does with the args of a run after the reply never reaches the worker, even if the worker
// has replied before it has read them: the memory may be that of another client's request by then.
func TestReplyBeforeTheCallIsRead(t *testing.T) {
	server, worker := sockets(t)
	defer worker.Close()
	c, err := newConn(server, false)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = c.serve() })
	args, reused := bytes.Repeat([]byte("a"), 4*runtime.MiB), make(chan struct{})
	call := &pendingCall{kind: kindRun, limit: maxPayload, done: make(chan struct{}, 1)}
	id, err := c.begin(call)
	if err != nil {
		t.Fatal(err)
	}
	serving.Go(func() {
		_, _, _ = c.await(t.Context(), call, id, nil, args)
		for i := range args {
			args[i] = 'b'
		}
		close(reused)
	})
	head := make([]byte, headerBytes)
	if _, err := io.ReadFull(worker, head); err != nil {
		t.Fatal(err)
	}
	if _, err := worker.Write((&header{kind: kindRun, flags: flagReply, id: id}).append(nil)); err != nil {
		t.Fatal(err)
	}
	select { // long enough for what should not happen
	case <-reused:
	case <-time.After(time.Second / 4):
	}
	got := make([]byte, len(args))
	if _, err := io.ReadFull(worker, got); err != nil || bytes.Contains(got, []byte("b")) {
		t.Errorf("the worker got what the caller wrote later: %v", err)
	}
	<-reused
	worker.Close()
	serving.Wait()
}

package wasi

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestWaitsWithoutDescriptors: a process without descriptors for a poller waits for connections all
// the same.
func TestWaitsWithoutDescriptors(t *testing.T) {
	defer func(f func(int) (int, error)) { createEpoll = f }(createEpoll)
	createEpoll = func(int) (int, error) { return 0, unix.EMFILE }
	r, n := newNetRig(t)
	fd := r.socket(sockStream, n.echo)
	r.must("connect", r.connect(fd, n.echo))
	quiet := r.socket(sockStream, n.echo)
	r.must("connect", r.connect(quiet, n.echo))
	if got := r.waits(fd, eventFdWrite, quiet); len(got) != 1 || got[0].user != 1 {
		t.Errorf("waiting to send gives %v", got)
	}
	time.AfterFunc(20*time.Millisecond, func() {
		end := r.sys.opened[r.sys.table[fd]-1].socket.ends[0]
		end.send([]byte("late"), 0)
	})
	if got := r.waits(fd, eventFdRead, quiet); len(got) != 1 || got[0].user != 1 || got[0].err != success {
		t.Errorf("waiting to receive gives %v", got)
	}
	r.gets(fd, 10, 0, "late")
}

// TestWaitsForOne: a wait for one connection takes no descriptor. It ends when the connection is ready, when its
// time is over, when a dial has ended and when the run must end, as often as it is repeated.
func TestWaitsForOne(t *testing.T) {
	defer func(f func(int) (int, error)) { createEpoll = f }(createEpoll)
	createEpoll = func(int) (int, error) {
		t.Error("a poller is created")
		return 0, unix.EMFILE
	}
	r, n := newNetRig(t)
	fd := r.socket(sockStream, n.echo)
	r.must("connect", r.connect(fd, n.echo))
	for _, kind := range []uint64{sockStream, sockDgram} {
		a, b := r.pair(kind)
		for range 3 {
			clock := subscription{user: 2, timeout: 5e6, clock: clockMonotonic}
			if got, err := r.poll(0x20000, 0x21000, subscription{user: 1, kind: eventFdRead, clock: uint32(a)}, clock); err != success || len(got) != 1 || got[0].user != 2 {
				t.Fatalf("waiting for a quiet connection gives %v", got)
			}
			_, err := r.send(b, "x", 0)
			r.must("send", err)
			if got := r.waits(a, eventFdRead); len(got) != 1 || got[0].user != 1 {
				t.Fatalf("waiting to receive gives %v", got)
			}
			r.gets(a, 1, 0, "x")
		}
		for err := success; err == success; {
			_, err = r.call2("sock_send_to", a, 0, 1<<10)
		}
		peer, drained := r.sys.opened[r.sys.table[b]-1].socket.ends[0], make(chan struct{})
		time.AfterFunc(20*time.Millisecond, func() {
			defer close(drained)
			for err := success; err == success; {
				_, err = peer.receive(make([]byte, 1<<20), 0)
			}
		})
		if got := r.waits(a, eventFdWrite); len(got) != 1 || got[0].user != 1 {
			t.Errorf("waiting to send gives %v", got)
		}
		<-drained
	}
	hold := make(chan struct{})
	n.holdDials(hold)
	other := r.socket(sockStream, n.echo)
	r.nonBlocking(other)
	r.want("connect", r.connect(other, n.echo), eINPROGRESS)
	time.AfterFunc(20*time.Millisecond, func() { close(hold) })
	if got := r.waits(other, eventFdWrite); len(got) != 1 || got[0].user != 1 {
		t.Errorf("waiting for a dial gives %v", got)
	}
	slow := r.lookUp("never")
	if got, err := r.poll(0x20000, 0x21000, subscription{user: 1, kind: eventFdRead, clock: uint32(slow)}, subscription{user: 2, timeout: 5e6, clock: clockMonotonic}); err != success || len(got) != 1 || got[0].user != 2 {
		t.Errorf("waiting for a look-up gives %v", got)
	}
	r.control.patience = 5 * time.Millisecond
	for range 2 {
		if ended := recovered(func() { r.receive(fd, 1, 0) }); ended != errEnd {
			t.Errorf("a run that must end: %v", ended)
		}
	}
}

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
	if got := r.waits(fd, eventFdWrite); len(got) != 1 || got[0].user != 1 {
		t.Errorf("waiting to send gives %v", got)
	}
	time.AfterFunc(20*time.Millisecond, func() {
		end := r.sys.opened[r.sys.table[fd]-1].socket.ends[0]
		end.send([]byte("late"), 0)
	})
	if got := r.waits(fd, eventFdRead); len(got) != 1 || got[0].user != 1 || got[0].err != success {
		t.Errorf("waiting to receive gives %v", got)
	}
	r.gets(fd, 10, 0, "late")
}

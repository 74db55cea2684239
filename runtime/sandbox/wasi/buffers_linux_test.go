package wasi

import (
	"io"
	"net"
	"os"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernelBytes returns the memory that the kernel has allocated for a connection: what waits to be read, to
// be sent and to be processed, and what it keeps for more.
func (e *end) kernelBytes(t testing.TB) int64 {
	const receiving, forward, sending, options, backlog = 0, 4, 5, 6, 7 // of SO_MEMINFO
	var info [9]uint32
	size := uint32(unsafe.Sizeof(info))
	if err := e.do(func(fd int) error {
		if _, _, err := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0); err != 0 {
			return err
		}
		return nil
	}); err != success {
		t.Fatalf("SO_MEMINFO: errno %d", err)
	}
	return int64(info[receiving]) + int64(info[forward]) + int64(info[sending]) + int64(info[options]) + int64(info[backlog])
}

// ends returns the connections of the run.
func (r *rig) ends() (ends []*end) {
	for _, d := range r.sys.opened {
		if d.socket != nil {
			ends = append(ends, d.socket.ends...)
		}
	}
	return ends
}

// flood sends without an end, and reads nothing.
func flood(c net.Conn) {
	defer c.Close()
	b := make([]byte, 1<<16)
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// floodedRuns returns the number of runs of TestFloods, with 100 connections each.
func floodedRuns() int {
	if n, err := strconv.Atoi(os.Getenv("FAASPOT_FLOODED_RUNS")); err == nil {
		return n
	}
	return 1
}

// TestFloods: the kernel keeps no more of connections than is charged for them, whatever their peers send
// and however little they read.
func TestFloods(t *testing.T) {
	const connections = 100
	var rigs []*rig
	for range floodedRuns() {
		r, n := newNetRig(t)
		accepted := n.keepAccepted()
		for range connections {
			fd := r.socket(sockStream, n.echo)
			r.must("connect", r.connect(fd, n.echo))
			go flood(<-accepted)
			r.nonBlocking(fd)
		}
		rigs = append(rigs, r)
	}
	most := int64(0)
	for range 20 {
		time.Sleep(20 * time.Millisecond)
		for _, r := range rigs {
			for i, e := range r.ends() {
				for err := success; err == success; {
					_, err = r.call2("sock_send_to", uint64(4+i), 0, 1<<16)
				}
				if n := e.kernelBytes(t); n > ConnectionBytes+e.grown {
					t.Fatalf("the kernel keeps %d bytes of a connection for which %d are charged", n, ConnectionBytes+e.grown)
				} else if n > most {
					most = n
				}
			}
		}
	}
	t.Logf("the kernel keeps %d bytes of a connection at most", most)
	if most < receiveBuffer {
		t.Errorf("the kernel keeps %d bytes of a flooded connection", most)
	}
}

// call2 sends or receives at an address of the guest's memory without waiting, and returns the number of bytes.
func (r *rig) call2(name string, fd uint64, at, n uint64) (int, errno) {
	err := r.call(name, fd, at, n, msgDontWait, 0, atResult)
	return int(r.result()), err
}

// TestBuffersGrow: a connection that receives or sends much gets larger buffers, if the run has memory for
// them, until it is closed.
func TestBuffersGrow(t *testing.T) {
	r, n := newNetRig(t)
	accepted := n.keepAccepted()
	open := func() (uint64, net.Conn) {
		fd := r.socket(sockStream, n.echo)
		r.must("connect", r.connect(fd, n.echo))
		return fd, <-accepted
	}
	receive := func(fd uint64, bytes int) {
		for bytes > 0 {
			got, err := r.receive(fd, min(uint64(bytes), 1<<15), 0)
			r.must("receive", err)
			bytes -= len(got)
		}
	}
	const more, moreToSend = 2 * (socketBuffer - receiveBuffer), 2 * (socketBuffer - sendBuffer)
	fd, peer := open()
	go flood(peer)
	if receive(fd, bulkBytes-1); r.control.charged != 0 {
		t.Errorf("%d bytes are charged for a few", r.control.charged)
	}
	if receive(fd, 1); r.control.charged != more {
		t.Errorf("%d bytes are charged for many, want %d", r.control.charged, more)
	}
	e := r.ends()[0]
	queued := 0
	for deadline := time.Now().Add(10 * time.Second); queued <= receiveBuffer && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		receive(fd, 1<<14) // the peer learns by the answers how much it may send
		r.must("FIONREAD", e.do(func(fd int) (err error) {
			queued, err = unix.IoctlGetInt(fd, unix.TIOCINQ)
			return err
		}))
	}
	if held := e.kernelBytes(t); queued <= receiveBuffer || held > ConnectionBytes+e.grown {
		t.Errorf("%d bytes wait, and the kernel keeps %d", queued, held)
	}

	sender, peer := open()
	go io.Copy(io.Discard, peer)
	for sent := 0; sent < bulkBytes; {
		k, err := r.call2("sock_send_to", sender, 0, 1<<15)
		if err == success {
			sent += k
		} else if err != eAGAIN {
			t.Fatalf("sending: errno %d", err)
		}
	}
	if r.control.charged != more+moreToSend {
		t.Errorf("%d bytes are charged, want %d", r.control.charged, more+moreToSend)
	}
	r.must("close", r.call("fd_close", fd))
	r.must("close", r.call("fd_close", sender))
	if r.control.charged != 0 {
		t.Errorf("%d bytes are charged for closed connections", r.control.charged)
	}

	r.control.most = more - 1
	fd, peer = open()
	go flood(peer)
	if receive(fd, 2*bulkBytes); r.control.charged != 0 || r.ends()[0].receives {
		t.Error("a buffer has grown without memory")
	}
	r.control.most = 1 << 40
	for range 2 * maxGrown / more {
		fd, peer = open()
		go flood(peer)
		receive(fd, bulkBytes)
	}
	if r.control.charged > maxGrown || r.control.charged+more <= maxGrown {
		t.Errorf("%d bytes are charged for all connections of a run", r.control.charged)
	}
	if r.reset(nil); r.control.charged != 0 {
		t.Errorf("%d bytes are charged after the run", r.control.charged)
	}
}

// TestBuffersOfDatagrams: sockets of datagrams have the buffers of new connections.
func TestBuffersOfDatagrams(t *testing.T) {
	r, n := newNetRig(t)
	fd := r.socket(sockDgram, n.datagrams)
	r.must("connect", r.connect(fd, n.datagrams))
	for range 100 {
		if _, err := r.call2("sock_send_to", fd, 0, 1<<15); err != success && err != eAGAIN {
			t.Fatalf("sending: errno %d", err)
		}
		r.call2("sock_recv_from", fd, 0, 1<<15)
	}
	e := r.ends()[0]
	if n := e.kernelBytes(t); n > ConnectionBytes || e.grown != 0 {
		t.Errorf("the kernel keeps %d bytes, and %d are charged", n, ConnectionBytes+e.grown)
	}
}

package wasi

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hasSockets reports whether this system has sockets for guests.
const hasSockets = true

// poller waits for the connections of one run, without a thread. Go's poller watches one that is waited
// for alone. For more, it is an epoll instance of the kernel, which the first such wait creates and Go's
// poller watches. There, each connection is armed for one report at a time: those that a wait does not
// want disturb it once at most.
type poller struct {
	ends  []*end // by id; nil: free
	raw   syscall.RawConn
	hold  func(n int) bool // Control.HoldFiles
	watch watch            // of the next wait

	mu    sync.Mutex // guards the fields below against waker
	file  *os.File   // nil: not created yet
	woken bool
	wake  func() // ends the wait in progress; nil: there is none
}

// createEpoll is unix.EpollCreate1, except in tests.
var createEpoll = unix.EpollCreate1

// pollPause is the time between two looks at connections of a run that gets no descriptor for its
// poller.
const pollPause = 10 * time.Millisecond

// pollBatch is the number of reports that one call of the kernel returns.
const pollBatch = 64

// add gives an end its id.
func (p *poller) add(e *end) {
	i := slices.Index(p.ends, nil)
	if i < 0 {
		i = len(p.ends)
		p.ends = append(p.ends, nil)
	}
	p.ends[i], e.id = e, int32(i)
}

// open creates the epoll instance, and reports whether there is one.
func (p *poller) open() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file != nil {
		return true
	}
	if !p.hold(1) {
		return false
	}
	if p.create() != nil {
		p.hold(-1)
		return false
	}
	return true
}

func (p *poller) create() error {
	fd, err := createEpoll(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return err
	}
	file := os.NewFile(uintptr(fd), "epoll")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return err
	}
	p.file, p.raw = file, raw
	return nil
}

// close ends the poller. Nothing is registered any more.
func (p *poller) close() {
	p.ends, p.watch = p.ends[:0], watch{}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file != nil {
		p.file.Close()
		p.file, p.raw = nil, nil
		p.hold(-1)
	}
	p.woken = false
}

// waker returns a function that ends the wait in progress, or the next one. It may be called
// concurrently, and after close.
func (p *poller) waker() func() {
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.woken = true
		if p.wake != nil {
			p.wake()
		}
	}
}

// ask finds out whether an end is ready as it is wanted: at once, or by the next collect. It returns
// false if the end is closed.
func (p *poller) ask(e *end, want events) bool {
	if p.watch.isOne() {
		return e.look(want)
	}
	return p.arm(e, want)
}

// arm asks for a report of an end that is ready as it is wanted, or that has failed. It returns false
// if the end is closed.
func (p *poller) arm(e *end, want events) bool {
	if e.registered && e.armed == want {
		return true
	}
	if !p.open() {
		return e.look(want)
	}
	event := unix.EpollEvent{Events: unix.EPOLLONESHOT, Fd: e.id}
	if want&readable != 0 {
		event.Events |= unix.EPOLLIN
	}
	if want&writable != 0 {
		event.Events |= unix.EPOLLOUT
	}
	operation := unix.EPOLL_CTL_ADD
	if e.registered {
		operation = unix.EPOLL_CTL_MOD
	}
	failed := error(nil)
	err := e.raw.Control(func(fd uintptr) {
		failed = p.raw.Control(func(epoll uintptr) {
			err := unix.EpollCtl(int(epoll), operation, int(fd), &event)
			if err == nil {
				e.registered, e.armed = true, want
			}
		})
	})
	return err == nil && failed == nil && e.registered && e.armed == want
}

// look notes what the end is ready for now. It returns false if the end is closed.
func (e *end) look(want events) bool {
	return e.raw.Control(func(fd uintptr) { e.lookAt(fd, want) }) == nil
}

// lookAt is look with the descriptor of the end. It reports whether the end is ready, or has failed.
func (e *end) lookAt(fd uintptr, want events) bool {
	asked := [...]unix.PollFd{{Fd: int32(fd)}}
	if want&readable != 0 {
		asked[0].Events |= unix.POLLIN
	}
	if want&writable != 0 {
		asked[0].Events |= unix.POLLOUT
	}
	n, err := unix.Poll(asked[:], 0)
	if n != 1 || err != nil {
		return false
	}
	e.note(uint32(asked[0].Revents))
	return true
}

// note adds what the kernel reports; poll and epoll have the same numbers.
func (e *end) note(reported uint32) {
	if reported&unix.POLLIN != 0 {
		e.ready |= readable
	}
	if reported&unix.POLLOUT != 0 {
		e.ready |= writable
	}
	if reported&unix.POLLHUP != 0 {
		e.ready |= hangup
	}
	if reported&unix.POLLERR != 0 {
		e.ready |= failed
	}
}

// remove forgets an end before it is closed.
func (p *poller) remove(e *end) {
	p.ends[e.id] = nil
	if !e.registered || p.raw == nil {
		return
	}
	e.registered = false
	_ = e.raw.Control(func(fd uintptr) {
		_ = p.raw.Control(func(epoll uintptr) { _ = unix.EpollCtl(int(epoll), unix.EPOLL_CTL_DEL, int(fd), nil) })
	})
}

// collect notes the reports that there are now.
func (p *poller) collect() {
	if p.raw != nil {
		_ = p.raw.Control(func(epoll uintptr) { p.take(int(epoll)) })
	}
}

// take notes reports, and returns whether one was wanted.
func (p *poller) take(epoll int) (wanted bool) {
	var reports [pollBatch]unix.EpollEvent
	for {
		n, err := unix.EpollWait(epoll, reports[:], 0)
		if err == unix.EINTR {
			continue
		}
		for _, r := range reports[:max(n, 0)] {
			if int(r.Fd) >= len(p.ends) || p.ends[r.Fd] == nil {
				continue
			}
			e := p.ends[r.Fd]
			if e.armed = 0; !e.wanted {
				continue
			}
			wanted = true
			e.note(r.Events)
		}
		if n < len(reports) {
			return wanted
		}
	}
}

// wait waits until a wanted end is ready, the waker is called, the time has come or ctx has ended. It
// returns true in the first two cases.
func (p *poller) wait(ctx context.Context, until time.Time) bool {
	switch w := p.watch; {
	case w.ends == 0:
		return p.waitForWaker(ctx, until)
	case w.isOne():
		return p.waitForOne(ctx, until, w.end, w.want)
	}
	return p.waitForAll(ctx, until)
}

// begin begins a wait that wake ends, unless the waker was called before.
func (p *poller) begin(wake func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.woken {
		p.woken = false
		return false
	}
	p.wake = wake
	return true
}

// end ends a wait, and reports whether the waker was called.
func (p *poller) end() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	woken := p.woken
	p.wake, p.woken = nil, false
	return woken
}

// past is a time that is over.
var past = time.Unix(1, 0)

// waitForWaker waits for no connection.
func (p *poller) waitForWaker(ctx context.Context, until time.Time) bool {
	woken := make(chan struct{}, 1)
	if !p.begin(func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	}) {
		return true
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-woken:
	case <-timer.C:
	case <-ctx.Done():
	}
	return p.end()
}

// waitForOne waits for one direction of a connection.
func (p *poller) waitForOne(ctx context.Context, until time.Time, e *end, want events) bool {
	wait, setDeadline := e.raw.Read, e.conn.SetReadDeadline
	if want == writable {
		wait, setDeadline = e.raw.Write, e.conn.SetWriteDeadline
	}
	if setDeadline(until) != nil {
		return true // closed by the network
	}
	if !p.begin(func() { _ = setDeadline(past) }) {
		return true
	}
	stop := context.AfterFunc(ctx, p.waker())
	defer stop()
	ready := false
	err := wait(func(fd uintptr) bool {
		ready = e.lookAt(fd, want)
		return ready
	})
	woken := p.end()
	return ready || woken || err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// waitForAll waits for all wanted ends.
func (p *poller) waitForAll(ctx context.Context, until time.Time) bool {
	if !p.open() {
		if soon := time.Now().Add(pollPause); soon.Before(until) {
			until = soon
		}
		waitFor(ctx, nil, until)
		return true
	}
	if p.file.SetReadDeadline(until) != nil || !p.begin(func() { _ = p.file.SetReadDeadline(past) }) {
		return true
	}
	stop := context.AfterFunc(ctx, p.waker())
	defer stop()
	wanted := false
	_ = p.raw.Read(func(epoll uintptr) bool {
		wanted = p.take(int(epoll))
		return wanted
	})
	woken := p.end()
	return wanted || woken
}

// pairOfEnds returns two connections to each other.
func pairOfEnds(stream bool) (ends [2]*end, _ errno) {
	kind := unix.SOCK_DGRAM
	if stream {
		kind = unix.SOCK_STREAM
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return ends, eNOBUFS
	}
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "socketpair")
		raw, err := file.SyscallConn()
		if err != nil {
			return ends, eNOBUFS // cannot happen
		}
		ends[i] = &end{conn: file, raw: raw}
		setBuffers(raw, pairBuffer/2, pairBuffer/2)
	}
	return ends, success
}

// do calls f with the descriptor of the end, and returns its error.
func (e *end) do(f func(fd int) error) errno {
	var failed error
	if err := e.raw.Control(func(fd uintptr) {
		for {
			if failed = f(int(fd)); !errors.Is(failed, unix.EINTR) {
				return
			}
		}
	}); err != nil {
		return eCONNABORTED // the network has closed it
	}
	var number syscall.Errno
	if errors.As(failed, &number) {
		return kernelErrno(number)
	}
	return success
}

// receive receives what is there.
func (e *end) receive(p []byte, flags uint32) (n int, err errno) {
	err = e.do(func(fd int) (err error) {
		n, _, err = unix.Recvfrom(fd, p, int(flags)|unix.MSG_DONTWAIT)
		return err
	})
	return max(n, 0), err
}

// send sends what the kernel takes. It uses a call without an address, so that a process whose filter
// allows no other sends to nobody but the peer of the connection.
func (e *end) send(p []byte, flags uint32) (n int, err errno) {
	err = e.do(func(fd int) error {
		sent, _, failed := unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			uintptr(flags)|unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if failed != 0 {
			return failed
		}
		n = int(sent)
		return nil
	})
	return n, err
}

// shutdown ends the directions: 0 receiving, 1 sending, 2 both.
func (e *end) shutdown(how int) errno {
	return e.do(func(fd int) error { return unix.Shutdown(fd, how) })
}

// takeError returns the error of the connection that was not reported yet.
func (e *end) takeError() (number errno) {
	err := e.do(func(fd int) error {
		value, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		number = kernelErrno(syscall.Errno(value))
		return err
	})
	if err != success {
		return err
	}
	return number
}

// kernelOptions are the options that the kernel gets to know. The others are only kept.
var kernelOptions = map[optionName]bool{
	{solSocket, soKeepAlive}: true, {solTCP, tcpNoDelay}: true, {solTCP, tcpKeepIdle}: true, {solTCP, tcpKeepIntvl}: true,
	{solTCP, tcpKeepCnt}: true, {solTCP, tcpUserTimeout}: true, {solTCP, tcpQuickAck}: true,
}

// set sets an option of the connection.
func (e *end) set(o option) errno {
	if e.count == nil || !kernelOptions[o.optionName] {
		return success
	}
	return e.do(func(fd int) error { return unix.SetsockoptInt(fd, int(o.level), int(o.name), int(o.value)) })
}

// localPort returns the port of the connection, or 0.
func (e *end) localPort() (port uint16) {
	e.do(func(fd int) error {
		name, err := unix.Getsockname(fd)
		switch name := name.(type) {
		case *unix.SockaddrInet4:
			port = uint16(name.Port)
		case *unix.SockaddrInet6:
			port = uint16(name.Port)
		}
		return err
	})
	return port
}

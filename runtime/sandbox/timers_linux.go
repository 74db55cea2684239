package sandbox

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// fineSleep is the duration below which sleeps use a timer of the kernel: Go's timers are late by
	// up to a millisecond, because its poller waits for whole milliseconds. Such a sleep is not
	// interrupted.
	fineSleep = 10 * time.Millisecond
	// maxTimers bounds the timers of a sandbox, each of which takes a file descriptor. Beyond it,
	// sleeps use Go's timers.
	maxTimers = 64
)

// timers are the timers of the kernel that a sandbox has, see timerfd_create(2).
type timers struct {
	idle chan *os.File
	left chan struct{} // one token for each timer that may be created
}

func newTimers() *timers {
	t := &timers{idle: make(chan *os.File, maxTimers), left: make(chan struct{}, maxTimers)}
	for range maxTimers {
		t.left <- struct{}{}
	}
	return t
}

// sleep waits for a short time, and reports whether it did: false means that no timer is available.
func (t *timers) sleep(d time.Duration) bool {
	if d >= fineSleep || d <= 0 {
		return false
	}
	timer := t.take()
	if timer == nil {
		return false
	}
	if err := wait(timer, d); err != nil {
		timer.Close()
		t.left <- struct{}{}
		return false
	}
	t.idle <- timer
	return true
}

// take returns a timer, or nil.
func (t *timers) take() *os.File {
	select {
	case timer := <-t.idle:
		return timer
	default:
	}
	select {
	case timer := <-t.idle:
		return timer
	case <-t.left:
	default:
		return nil
	}
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		t.left <- struct{}{}
		return nil
	}
	return os.NewFile(uintptr(fd), "timer")
}

// wait waits on a timer; other goroutines run meanwhile.
func wait(timer *os.File, d time.Duration) error {
	raw, err := timer.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		failed = unix.TimerfdSettime(int(fd), 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil)
	}); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	var expirations [8]byte
	_, err = timer.Read(expirations[:])
	return err
}

func (t *timers) close() {
	for {
		select {
		case timer := <-t.idle:
			timer.Close()
		default:
			return
		}
	}
}

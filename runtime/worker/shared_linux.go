package worker

import (
	goruntime "runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newSharedMemory returns a file of n bytes in memory that keeps its size: a peer that makes a mapped file
// smaller ends this process with SIGBUS.
func newSharedMemory(n int) (fd int, err error) {
	fd, err = unix.MemfdCreate("faaspot-lanes", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, err
	}
	if err = unix.Ftruncate(fd, int64(n)); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// Operations of futex(2). Without FUTEX_PRIVATE_FLAG they reach other processes.
const (
	futexWait = 0
	futexWake = 1
)

// sleep waits while word is old, until another thread calls wake, at most for a time; 0: for ever. It may
// return sooner.
func sleep(word *atomic.Uint32, old uint32, most time.Duration) {
	var timeout *unix.Timespec
	if most > 0 {
		t := unix.NsecToTimespec(most.Nanoseconds())
		timeout = &t
	}
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWait, uintptr(old), uintptr(unsafe.Pointer(timeout)), 0, 0)
}

// wake wakes the thread that sleeps at word.
func wake(word *atomic.Uint32) {
	_, _, _ = unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWake, 1, 0, 0, 0)
}

// allowedProcessors returns the numbers of the processors that this process may use.
func allowedProcessors() (all []int) {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			all = append(all, i)
		}
	}
	return all
}

// currentProcessor returns the number of the processor of this thread.
func currentProcessor() int {
	var n uint32
	_, _, _ = unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&n)), 0, 0)
	return int(n)
}

// stayOn binds the goroutine to a thread, and that to a processor. Both end with the goroutine. Where
// the thread may not be bound, it runs anywhere.
func stayOn(processor int) {
	goruntime.LockOSThread()
	var set unix.CPUSet
	set.Set(processor)
	_ = unix.SchedSetaffinity(0, &set)
}

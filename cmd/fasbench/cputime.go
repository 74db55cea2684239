package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime returns the user and system time that the server's process has used so far: the sum of
// utime and stime in /proc/PID/stat, but in nanoseconds instead of hundredths of a second.
func (s *server) cpuTime() (time.Duration, error) {
	// The identifier of a process's CPU clock, see clock_getcpuclockid(3): the complement of the
	// process id, and in the lowest three bits the kind of the clock.
	const scheduled = 2
	clock := int32(^s.cmd.Process.Pid<<3 | scheduled)
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, fmt.Errorf("reading the CPU time of the server: %w", err)
	}
	return time.Duration(t.Nano()), nil
}

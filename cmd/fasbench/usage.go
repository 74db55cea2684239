package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// busyShare is the share of the processors from which on they count as the limit of a load, and
	// the share of the processors that a load generator can use from which on the generator does.
	busyShare = 0.9
	// otherShare is the share of the processors from which on other programs are named beside a load.
	otherShare = 0.25
	// tick is the unit of /proc/stat on all of Linux's architectures.
	tick = time.Second / 100
)

// usage is the processor time that a load took.
type usage struct {
	length    time.Duration // elapsed time
	server    time.Duration // of the server's processes
	generator time.Duration // of the load generator
	idle      time.Duration // of all processors
	threads   int           // the number of processors that the generator can keep busy
}

// add returns the usage of two loads one after the other.
func (u usage) add(v usage) usage {
	return usage{u.length + v.length, u.server + v.server, u.generator + v.generator, u.idle + v.idle, v.threads}
}

// limit says what kept the load from being faster, with the shares of all processors.
func (u usage) limit() string {
	return u.limitOf(goruntime.NumCPU())
}

func (u usage) limitOf(processors int) string {
	all := float64(u.length) * float64(processors)
	if all <= 0 {
		return ""
	}
	share := func(d time.Duration) float64 { return min(max(float64(d)/all, 0), 1) }
	rest := max(1-share(u.server)-share(u.generator)-share(u.idle), 0)
	limit := "waiting"
	switch busy := 1-share(u.idle) >= busyShare; {
	case float64(u.generator) >= busyShare*float64(u.length)*float64(min(u.threads, processors)):
		limit = "the load generator"
	case busy && rest >= otherShare:
		limit = "the processors, with other programs"
	case busy:
		limit = "the processors"
	}
	return fmt.Sprintf("%s (server %.0f %%, load generator %.0f %%, other %.0f %%, idle %.0f %%)",
		limit, 100*share(u.server), 100*share(u.generator), 100*rest, 100*share(u.idle))
}

// observe measures the usage of a load on a server. The load generator is this process and the
// programs that the load runs until they exit; it can keep the given number of processors busy.
func (p *process) observe(threads int, load func() error) (usage, error) {
	return observe([]*process{p}, threads, load)
}

// observe is observe of several servers at once.
func observe(servers []*process, threads int, load func() error) (usage, error) {
	before, err := countersOf(servers)
	if err != nil {
		return usage{}, err
	}
	if err := load(); err != nil {
		return usage{}, err
	}
	after, err := countersOf(servers)
	return usage{
		length: after.at.Sub(before.at), server: after.server - before.server, generator: after.generator - before.generator,
		idle: after.idle - before.idle, threads: threads,
	}, err
}

// counters are processor times since some moment in the past.
type counters struct {
	at                      time.Time
	server, generator, idle time.Duration
}

// countersOf reads the processor times of servers, the load generator and the machine.
func countersOf(servers []*process) (c counters, err error) {
	if c.server, err = cpuTimeOf(servers); err != nil {
		return c, err
	}
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var used unix.Rusage
		if err := unix.Getrusage(who, &used); err != nil {
			return c, err
		}
		c.generator += time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return c, err
	}
	c.at = time.Now()
	c.idle, err = parseIdle(text)
	return c, err
}

// parseIdle returns the idle time of all processors, and the time that they waited for disks, in
// /proc/stat, see proc_stat(5).
func parseIdle(text []byte) (time.Duration, error) {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) < 6 || fields[0] != "cpu" {
		return 0, fmt.Errorf("cannot read the processors' times in /proc/stat: %q", line)
	}
	idle, err := strconv.ParseInt(fields[4], 10, 64)
	waiting, werr := strconv.ParseInt(fields[5], 10, 64)
	return time.Duration(idle+waiting) * tick, errors.Join(err, werr)
}

// cpuTime returns the user and system time that the process and its descendants have used so far.
func (p *process) cpuTime() (time.Duration, error) { return treeTime(p.cmd.Process.Pid) }

// cpuTimeOf returns the sum of the times of processes.
func cpuTimeOf(all []*process) (sum time.Duration, err error) {
	for _, p := range all {
		used, err := p.cpuTime()
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

// treeTime returns the user and system time of a process and its descendants.
func treeTime(pid int) (time.Duration, error) {
	used, err := processTime(pid)
	if err != nil {
		return 0, err
	}
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return 0, err
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // the thread has ended
		}
		if err != nil {
			return 0, err
		}
		for _, field := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				return 0, err
			}
			more, err := treeTime(child)
			if err != nil {
				return 0, err
			}
			used += more
		}
	}
	return used, nil
}

// processTime returns the user and system time that a process has used so far: the sum of utime and
// stime in /proc/PID/stat, but in nanoseconds instead of hundredths of a second.
func processTime(pid int) (time.Duration, error) {
	// The identifier of a process's CPU clock, see clock_getcpuclockid(3): the complement of the
	// process id, and in the lowest three bits the kind of the clock.
	const scheduled = 2
	clock := int32(^pid<<3 | scheduled)
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, fmt.Errorf("reading the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

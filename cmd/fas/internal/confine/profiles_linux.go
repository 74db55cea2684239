//go:build amd64 || arm64

package confine

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// workerCalls returns the calls of a worker, the process pid: those of a server that concern itself and
// what it has open. Of what it has open, a socket sends to its peer alone.
func workerCalls(pid uint32) calls {
	taken := slices.Concat(pathCalls, pathCallsHere, dialCalls, messageCalls, landlockCalls, []uint32{unix.SYS_SOCKET})
	some := slices.DeleteFunc(someAllowed(pid), func(c conditional) bool { return c.call == unix.SYS_SOCKET })
	type alternatives = [][]check
	noCode := alternatives{{{argument: 2, mask: unix.PROT_EXEC, values: []uint32{0}}}}
	return calls{
		allowed: slices.Concat(ownCalls, ownCallsHere),
		refused: slices.Concat(refused, refusedHere, taken),
		some: append(some,
			conditional{unix.SYS_MMAP, noCode},
			conditional{unix.SYS_MPROTECT, noCode},
			conditional{unix.SYS_SETSOCKOPT, workerOptions},
			conditional{unix.SYS_SENDTO, alternatives{{{argument: 4, values: []uint32{0}}, {argument: 4, high: true, values: []uint32{0}}}}},
		),
	}
}

// workerOptions are the options of sockets that a worker sets: those of runs, and the sizes of buffers. With
// others a socket that has a peer reaches elsewhere: a routing header of IPv6 sends each packet to any
// address first. And the last close of a socket waits for its peer after SO_LINGER.
var workerOptions = [][]check{
	{
		{argument: 1, values: []uint32{unix.SOL_SOCKET}},
		{argument: 2, values: []uint32{unix.SO_KEEPALIVE, unix.SO_RCVBUF, unix.SO_SNDBUF}},
	},
	{
		{argument: 1, values: []uint32{unix.SOL_TCP}},
		{argument: 2, values: []uint32{
			unix.TCP_NODELAY, unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL, unix.TCP_KEEPCNT, unix.TCP_USER_TIMEOUT, unix.TCP_QUICKACK, unix.TCP_WINDOW_CLAMP,
		}},
	},
}

// startCalls are calls that a server is refused, with which a spawner starts processes, and with which
// they prepare and confine themselves.
var startCalls = slices.Concat(forkHere, []uint32{
	unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_TKILL,
	unix.SYS_SECCOMP, unix.SYS_SETRLIMIT, unix.SYS_CAPSET, unix.SYS_USERFAULTFD, unix.SYS_SCHED_SETAFFINITY,
})

// namespaceFlags are the flags of clone(2) that make namespaces.
const namespaceFlags = threadFlags &^ unix.CLONE_THREAD

// spawnerCalls returns the calls of a spawner, and of workers until they confine themselves. A filter
// cannot know the number of a process that does not exist yet, so that signals are not bounded here.
func spawnerCalls() calls {
	network := slices.Concat(dialCalls, []uint32{unix.SYS_SOCKET})
	type alternatives = [][]check
	c := calls{
		allowed: slices.Concat(ownCalls, ownCallsHere, pathCalls, pathCallsHere, messageCalls, landlockCalls, startCalls,
			[]uint32{unix.SYS_WAIT4, unix.SYS_WAITID, unix.SYS_KILL, unix.SYS_TGKILL, unix.SYS_PRLIMIT64, unix.SYS_PRCTL}),
		refused: slices.Concat(without(slices.Concat(refused, refusedHere), startCalls), network),
	}
	const uffdioAPI = 0xc018aa3f // UFFDIO_API
	c.some = []conditional{
		{unix.SYS_IOCTL, alternatives{{{argument: 1, values: slices.Concat(requests, []uint32{uffdioAPI})}}}},
		{unix.SYS_FCNTL, alternatives{{{argument: 1, values: fileCommands}}}},
		{unix.SYS_CLONE, alternatives{{{mask: namespaceFlags, values: []uint32{0}}}}},
	}
	return c
}

// filterWorker filters the system calls of all threads of a worker.
func filterWorker() error { return install(workerCalls(uint32(os.Getpid())).filter()) }

// filterSpawner filters the system calls of all threads of a spawner, and of all that it starts.
func filterSpawner() error { return install(spawnerCalls().filter()) }

//go:build amd64 || arm64

package confine

import (
	"slices"

	"golang.org/x/sys/unix"
)

// allowed are the system calls of Go, of the C library under the race detector, of Pebble and of the
// sandbox. All others are refused.
var allowed = slices.Concat(ownCalls, pathCalls, dialCalls, messageCalls, landlockCalls)

// ownCalls concern the process itself, and files and connections that are open.
var ownCalls = []uint32{
	// Time, threads and signals.
	unix.SYS_FUTEX, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY,
	unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SCHED_GETPARAM, unix.SYS_SCHED_GETSCHEDULER, unix.SYS_GETCPU,
	unix.SYS_SET_TID_ADDRESS, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_MEMBARRIER, unix.SYS_RESTART_SYSCALL,
	unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGPENDING, unix.SYS_RT_SIGTIMEDWAIT, unix.SYS_SIGALTSTACK,
	unix.SYS_SETITIMER, unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_GETTIME, unix.SYS_TIMER_DELETE,
	// Memory.
	unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_MREMAP, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_MSYNC, unix.SYS_BRK,
	unix.SYS_MEMFD_CREATE,
	// Waiting.
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2, unix.SYS_PPOLL, unix.SYS_PSELECT6,
	unix.SYS_EVENTFD2, unix.SYS_TIMERFD_CREATE, unix.SYS_TIMERFD_SETTIME, unix.SYS_TIMERFD_GETTIME,
	// Files that are open.
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREADV, unix.SYS_PWRITEV,
	unix.SYS_PREADV2, unix.SYS_PWRITEV2, unix.SYS_LSEEK, unix.SYS_CLOSE, unix.SYS_CLOSE_RANGE, unix.SYS_DUP, unix.SYS_DUP3,
	unix.SYS_FLOCK, unix.SYS_PIPE2, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC_FILE_RANGE, unix.SYS_SYNCFS, unix.SYS_FTRUNCATE,
	unix.SYS_FALLOCATE, unix.SYS_FADVISE64, unix.SYS_READAHEAD, unix.SYS_COPY_FILE_RANGE, unix.SYS_SENDFILE, unix.SYS_SPLICE,
	unix.SYS_FSTAT, unix.SYS_FSTATFS,
	// Connections that are open.
	unix.SYS_SOCKETPAIR, unix.SYS_SHUTDOWN, unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME, unix.SYS_GETSOCKOPT, unix.SYS_SETSOCKOPT,
	unix.SYS_RECVFROM, unix.SYS_RECVMSG, unix.SYS_RECVMMSG,
	// What the process is, and uses.
	unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETTID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID, unix.SYS_GETGROUPS,
	unix.SYS_GETPGID, unix.SYS_GETSID, unix.SYS_GETRUSAGE, unix.SYS_TIMES, unix.SYS_UNAME, unix.SYS_SYSINFO, unix.SYS_GETRANDOM,
}

// pathCalls name files, which Landlock restricts, or list and change them.
var pathCalls = []uint32{
	unix.SYS_OPENAT, unix.SYS_OPENAT2, unix.SYS_STATX, unix.SYS_STATFS, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_READLINKAT,
	unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_LINKAT, unix.SYS_FCHMODAT, unix.SYS_UTIMENSAT, unix.SYS_GETCWD,
	unix.SYS_TRUNCATE, unix.SYS_GETDENTS64, unix.SYS_FCHMOD,
}

// dialCalls make connections. [unix.SYS_SOCKET] is allowed with some arguments.
var dialCalls = []uint32{unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT, unix.SYS_ACCEPT4}

// messageCalls send messages, with an address if the caller gives one: a datagram to any peer, also
// by a socket that is connected to another.
var messageCalls = []uint32{unix.SYS_SENDTO, unix.SYS_SENDMSG, unix.SYS_SENDMMSG}

// landlockCalls can only restrict the process further.
var landlockCalls = []uint32{unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_LANDLOCK_ADD_RULE, unix.SYS_LANDLOCK_RESTRICT_SELF}

// refused are system calls that fail with EPERM: programs and other processes, mounts and
// namespaces, what is loaded into the kernel, rights, the machine's state, and parts of the kernel
// in which escapes are found. Any other call that is not allowed fails with ENOSYS, as on a kernel
// that does not have it, so that libraries use what they used before it existed.
var refused = []uint32{
	unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE,
	unix.SYS_KCMP, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_GETFD, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO,
	unix.SYS_TKILL, unix.SYS_SCHED_SETAFFINITY,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_FSOPEN,
	unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR, unix.SYS_UNSHARE, unix.SYS_SETNS,
	unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_MKNODAT, unix.SYS_SYMLINKAT, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_BPF,
	unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_SETREUID, unix.SYS_SETREGID, unix.SYS_SETRESUID, unix.SYS_SETRESGID, unix.SYS_SETGROUPS,
	unix.SYS_SETFSUID, unix.SYS_SETFSGID, unix.SYS_CAPSET, unix.SYS_PERSONALITY, unix.SYS_SECCOMP, unix.SYS_SETRLIMIT,
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
	unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME,
	unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_SYSLOG, unix.SYS_VHANGUP,
	unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_FANOTIFY_INIT, unix.SYS_MEMFD_SECRET, unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES,
}

// The requests of ioctl that the process needs, see ioctl_list(2). Not among them: TIOCSTI and
// TIOCLINUX, with which it could type into the terminal that it was started from.
var requests = []uint32{
	0xc0606610, // PAGEMAP_SCAN, the only one that runs use
	0xc020aa00, // UFFDIO_REGISTER
	unix.TCGETS, unix.TIOCGWINSZ, unix.TIOCINQ,
}

// fileCommands are the commands of fcntl that the process needs. Not among them: F_SETOWN, F_SETOWN_EX
// and F_SETSIG, with which a file sends signals to other processes.
var fileCommands = []uint32{
	unix.F_DUPFD, unix.F_DUPFD_CLOEXEC, unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_SETFL,
	unix.F_GETLK, unix.F_SETLK, unix.F_SETLKW, unix.F_OFD_GETLK, unix.F_OFD_SETLK, unix.F_OFD_SETLKW,
	unix.F_GETPIPE_SZ, unix.F_SETPIPE_SZ, unix.F_GET_SEALS, unix.F_ADD_SEALS,
}

// threadFlags are the flags of clone(2) that decide whether it makes a thread of this process, and
// in its namespaces.
const threadFlags = unix.CLONE_THREAD | unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER |
	unix.CLONE_NEWPID | unix.CLONE_NEWNET

// socketKind are the bits of the second argument of socket(2) that are the kind of a socket.
const socketKind = 0xf

// someAllowed are system calls that are allowed with some arguments, and fail with EPERM with
// others. pid is the process's own.
func someAllowed(pid uint32) []conditional {
	type alternatives = [][]check
	return []conditional{
		{unix.SYS_IOCTL, alternatives{{{argument: 1, values: requests}}}},
		{unix.SYS_FCNTL, alternatives{{{argument: 1, values: fileCommands}}}},
		{unix.SYS_TGKILL, alternatives{{{values: []uint32{pid}}}}},
		{unix.SYS_KILL, alternatives{{{values: []uint32{pid}}}}},
		{unix.SYS_CLONE, alternatives{{{mask: threadFlags, values: []uint32{unix.CLONE_THREAD}}}}},
		// TCP and UDP, and a list of the machine's addresses. No sockets of this machine alone, which
		// reach other services, none with packets of any kind, and none of parts of the kernel that few
		// use.
		{unix.SYS_SOCKET, alternatives{
			{
				{values: []uint32{unix.AF_INET, unix.AF_INET6}},
				{argument: 1, mask: socketKind, values: []uint32{unix.SOCK_STREAM, unix.SOCK_DGRAM}},
			},
			{{values: []uint32{unix.AF_NETLINK}}, {argument: 2, values: []uint32{unix.NETLINK_ROUTE}}},
		}},
		// Reads limits, sets none.
		{unix.SYS_PRLIMIT64, alternatives{{{argument: 2, values: []uint32{0}}, {argument: 2, high: true, values: []uint32{0}}}}},
		{unix.SYS_PRCTL, alternatives{{{values: []uint32{unix.PR_SET_VMA, unix.PR_SET_NAME, unix.PR_SET_NO_NEW_PRIVS, unix.PR_GET_NO_NEW_PRIVS}}}}},
	}
}

package confine

import "golang.org/x/sys/unix"

// architecture is that of the system calls that the process uses.
const architecture = unix.AUDIT_ARCH_X86_64

// Calls that arm64 does not have. The C library uses some of the first.
var (
	ownCallsHere = []uint32{
		unix.SYS_EPOLL_WAIT, unix.SYS_POLL, unix.SYS_SELECT, unix.SYS_TIME, unix.SYS_GETRLIMIT, unix.SYS_ARCH_PRCTL,
		unix.SYS_PIPE, unix.SYS_DUP2, unix.SYS_GETPGRP,
	}
	pathCallsHere = []uint32{
		unix.SYS_NEWFSTATAT, unix.SYS_OPEN, unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_ACCESS, unix.SYS_READLINK, unix.SYS_MKDIR, unix.SYS_RMDIR,
		unix.SYS_UNLINK, unix.SYS_RENAME,
	}
	// forkHere are calls of refusedHere with which a process starts others.
	forkHere    = []uint32{unix.SYS_FORK, unix.SYS_VFORK}
	refusedHere = []uint32{
		unix.SYS_FORK, unix.SYS_VFORK, unix.SYS_MODIFY_LDT, unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MKNOD, unix.SYS_SYMLINK,
		unix.SYS_CHOWN, unix.SYS_LCHOWN, unix.SYS_USELIB, unix.SYS_USTAT, unix.SYS_SYSFS,
	}
)

package confine

import "golang.org/x/sys/unix"

// architecture is that of the system calls that the process uses.
const architecture = unix.AUDIT_ARCH_AARCH64

// Calls that amd64 does not have, or that have another name there.
var (
	ownCallsHere  = []uint32{unix.SYS_GETRLIMIT}
	pathCallsHere = []uint32{unix.SYS_FSTATAT}
	forkHere      = []uint32{}
	refusedHere   = []uint32{}
)

package confine

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	syscalls "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// Worker confines a process that runs code of tenants and has all that it needs open: it reaches no
// file by its path, makes no connection, maps no memory as code, and has no capability. It uses the
// descriptors that it has, and those that it receives.
func Worker() Report {
	var r Report
	r.NoCoreDumps = r.stand(dropCoreDumps(), "a crash may write its memory to a core dump")
	r.NoNewPrivs = r.stand(dropPrivileges(), "it may gain rights by executing set-user-ID programs")
	r.NoCapabilities = r.stand(dropCapabilities(), "it keeps the capabilities of its user")
	var err error
	r.Landlock, err = restrictAll()
	r.stand(err, "nothing but the filter keeps it from files and the network")
	r.Seccomp = r.stand(filterWorker(), "it may use all system calls, and so connect")
	return r
}

// restrictAll takes all files, TCP and UDP from the process, and signals to processes that are not as
// confined as itself, as far as the kernel's version of the interface has them.
func restrictAll() (abi int, err error) {
	if abi, err = LandlockVersion(); err != nil {
		return 0, err
	}
	all := landlock.V11
	if err := all.BestEffort().Restrict(); err != nil {
		return 0, err
	}
	return abi, nil
}

// LandlockVersion returns the version of the kernel's interface of Landlock.
func LandlockVersion() (abi int, err error) {
	if abi, err = syscalls.LandlockGetABIVersion(); err != nil {
		return 0, fmt.Errorf("landlock is not in the kernel or not enabled: %w", err)
	}
	return abi, nil
}

// capabilities are the arguments of capset(2).
type capabilities struct {
	header unix.CapUserHeader
	data   [2]unix.CapUserData // of version 3
}

// dropCapabilities takes all capabilities from all threads. With no_new_privs, no program restores
// them.
func dropCapabilities() error {
	none := &capabilities{header: unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}}
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&none.header)), uintptr(unsafe.Pointer(&none.data)), 0)
	runtime.KeepAlive(none)
	if errno != 0 {
		return fmt.Errorf("capset: %w", errno)
	}
	return nil
}

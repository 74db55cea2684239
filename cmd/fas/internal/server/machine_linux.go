package server

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/cmd/fas/internal/confine"
)

// openFiles returns the limits of open files of this process. Go raises the first to the second.
func openFiles() (soft, hard uint64, known bool) {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return limit.Cur, limit.Max, err == nil
}

// checkWalls checks that the kernel can confine a server.
func checkWalls() Finding {
	const check = "walls"
	abi, err := confine.LandlockVersion()
	if err != nil {
		return Finding{
			Check: check, State: FindingWarning, Detail: fmt.Sprintf("no Landlock: %v", err),
			Fix: "use Linux 5.19 or later with Landlock among its security modules (lsm=), or run the server in a container that restricts it",
		}
	}
	return Ok(check, "Landlock ABI %d", abi)
}

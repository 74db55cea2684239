package confine

import (
	"fmt"
	"os"
	"strings"

	landlock "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// Process confines the process, all its threads and all that it will start. It is called once, when
// all files that it does not allow are open, and before the process runs code of others.
func Process(o Options) Report {
	var r Report
	r.NoCoreDumps = r.stand(dropCoreDumps(), "a crash may write its memory to a core dump")
	r.NoNewPrivs = r.stand(dropPrivileges(), "it may gain rights by executing set-user-ID programs")
	var err error
	r.Landlock, err = restrictFiles(o, true)
	r.stand(err, "it may use all files of its user")
	// The filter is the last, because it refuses calls that raise the others.
	r.Seccomp = r.stand(filterCalls(len(o.Create) > 0), "it may use all system calls, and execute programs")
	return r
}

// Narrow takes the folders of Create from the process, to whose walls r belongs.
func (r Report) Narrow(o Options) error {
	if len(o.Create) == 0 || r.Landlock == 0 {
		return nil
	}
	if _, err := restrictFiles(o, false); err != nil || !r.Seccomp {
		return err
	}
	return filterCalls(false)
}

// dropPrivileges sets no_new_privs for all threads.
func dropPrivileges() error {
	if err := landlock.AllThreadsPrctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl(PR_SET_NO_NEW_PRIVS): %w", err)
	}
	return nil
}

// coreLimit is the limit of a core file's size, in bytes. No file is so small, and 1 also keeps the
// kernel from piping the dump to a program, which a limit of 0 does not (core(5)).
const coreLimit = 1

// dropCoreDumps keeps the process's memory out of core dumps. The process stays dumpable
// (PR_SET_DUMPABLE): otherwise its files in /proc belong to root, and an operator who runs it as
// another user can read neither its memory use nor its open files.
func dropCoreDumps() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("getrlimit(RLIMIT_CORE): %w", err)
	}
	most := min(limit.Max, coreLimit) // a service manager may have set 0, which cannot be raised
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: most, Max: most}); err != nil {
		return fmt.Errorf("setrlimit(RLIMIT_CORE): %w", err)
	}
	// What is dumped all the same, such as by a debugger or to a program, has no memory in it. A process inherits that.
	if filter, err := os.ReadFile(dumpFilter); err == nil && strings.Trim(string(filter), "0\n") == "" {
		return nil
	}
	if err := os.WriteFile(dumpFilter, []byte("0"), 0); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// dumpFilter selects the memory that core dumps have, see core(5).
const dumpFilter = "/proc/self/coredump_filter"

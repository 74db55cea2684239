package confine

import (
	"debug/elf"
	"io"
	"os"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	syscalls "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// ownProgram is the program of the process itself, also after its file was replaced.
const ownProgram = "/proc/self/exe"

// Spawner confines a process that starts workers: it, and what it starts, executes its own program
// alone, writes only below the folders of o.Write, and makes no connection. Workers confine
// themselves further, see [Worker].
func Spawner(o Options) Report {
	var r Report
	r.NoCoreDumps = r.stand(dropCoreDumps(), "a crash may write its memory to a core dump")
	r.NoNewPrivs = r.stand(dropPrivileges(), "it may gain rights by executing set-user-ID programs")
	var err error
	r.Landlock, err = restrictPrograms(o)
	r.stand(err, "it may execute other programs")
	r.Seccomp = r.stand(filterSpawner(), "it may use all system calls")
	return r
}

// restrictPrograms restricts what the process executes to its own program, and what it writes to the
// folders of o.Write.
func restrictPrograms(o Options) (abi int, err error) {
	if abi, err = LandlockVersion(); err != nil {
		return 0, err
	}
	r := rules{abi: abi}
	r.allow(ownProgram, 0, syscalls.AccessFSExecute)
	if loader, err := interpreter(); err != nil {
		return 0, err
	} else if loader != "" {
		r.allow(loader, 0, syscalls.AccessFSExecute)
	}
	for _, folder := range o.Write {
		r.allow(folder, writeFolder&^readFolder, writeFile&^readFile)
	}
	r.allow("/dev/null", 0, writeFile&^readFile)
	config := landlock.Config{HandledAccessFS: landlock.V9.HandledAccessFS &^ readFolder}
	if err := config.BestEffort().RestrictPaths(r.list...); err != nil {
		return 0, err
	}
	return abi, nil
}

// interpreter returns the path of the dynamic loader of the program; empty if it needs none.
func interpreter() (string, error) {
	f, err := os.Open(ownProgram)
	if err != nil {
		return "", err
	}
	defer f.Close()
	program, err := elf.NewFile(f)
	if err != nil {
		return "", err
	}
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			path, err := io.ReadAll(io.LimitReader(p.Open(), 4096))
			return strings.TrimRight(string(path), "\x00"), err
		}
	}
	return "", nil
}

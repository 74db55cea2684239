//go:build amd64 || arm64

package confine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// errno returns the error of a system call.
func errno(call uintptr, args ...uintptr) string {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, e := unix.Syscall6(call, a[0], a[1], a[2], a[3], a[4], a[5]); e != 0 {
		return e.Error()
	}
	return "done"
}

func execErrno() string { return errno(unix.SYS_EXECVE) }

// attempts are system calls whose arguments decide. Each would otherwise succeed, or fail with
// another error than EPERM, also for root.
func attempts() map[string]func() string {
	const never = ^uintptr(0)
	parent := uintptr(os.Getppid())
	limit := &unix.Rlimit{Cur: 100, Max: 100}
	return map[string]func() string{
		"type into the terminal": func() string { return errno(unix.SYS_IOCTL, never, unix.TIOCSTI) },
		"console":                func() string { return errno(unix.SYS_IOCTL, never, unix.TIOCLINUX) },
		"signal another process": func() string { return errno(unix.SYS_KILL, parent, 0) },
		"signal the group":       func() string { return errno(unix.SYS_KILL, 0, 0) },
		"signal all":             func() string { return errno(unix.SYS_KILL, never, 0) },
		"signal its threads":     func() string { return errno(unix.SYS_TGKILL, parent, parent, 0) },
		"signal by a file":       func() string { return errno(unix.SYS_FCNTL, never, unix.F_SETOWN, parent) },
		"choose its signal":      func() string { return errno(unix.SYS_FCNTL, never, unix.F_SETSIG, 9) },
		// The kernel refuses these combinations of flags as well, with EINVAL.
		"fork":                  func() string { return errno(unix.SYS_CLONE, unix.CLONE_SIGHAND) },
		"thread in a namespace": func() string { return errno(unix.SYS_CLONE, unix.CLONE_THREAD|unix.CLONE_NEWNS) },
		"socket of the machine": func() string { return errno(unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_STREAM, 99) },
		"raw socket":            func() string { return errno(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_RAW, 999) },
		"socket of netfilter":   func() string { return errno(unix.SYS_SOCKET, unix.AF_NETLINK, 99, unix.NETLINK_NETFILTER) },
		"socket of packets":     func() string { return errno(unix.SYS_SOCKET, unix.AF_PACKET, 99, 99) },
		"socket of algorithms":  func() string { return errno(unix.SYS_SOCKET, unix.AF_ALG, 99, 99) },
		"socket of the host":    func() string { return errno(unix.SYS_SOCKET, unix.AF_VSOCK, 99, 99) },
		"set a limit": func() string {
			return outcome(unix.Prlimit(0, unix.RLIMIT_CPU+100, limit, nil))
		},
		"set a filter":    func() string { return errno(unix.SYS_PRCTL, unix.PR_SET_SECCOMP, 99) },
		"give up a right": func() string { return errno(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 99) },
	}
}

// tryCalls reports the errors of all system calls that are refused, with arguments with which they
// would fail in another way.
func tryCalls(s site) map[string]string {
	tries := attempts()
	Process(Options{Write: []string{s.Data}})
	report := make(map[string]string)
	for _, n := range slices.Concat(refused, refusedHere) {
		report[fmt.Sprint("call ", n)] = errno(uintptr(n), ^uintptr(0), ^uintptr(0), ^uintptr(0), ^uintptr(0), ^uintptr(0), ^uintptr(0))
	}
	for name, try := range tries {
		report[name] = try()
	}
	if runtime.GOARCH == "amd64" {
		report["x32"] = errno(1<<30 | unix.SYS_GETPID)
	}
	report["unknown"] = errno(unix.SYS_INOTIFY_INIT1, ^uintptr(0))
	report["clone3"] = errno(unix.SYS_CLONE3, ^uintptr(0))
	report["signal itself"] = errno(unix.SYS_KILL, uintptr(os.Getpid()), 0)
	report["socket"] = errno(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM, 0)
	report["limits"] = outcome(unix.Getrlimit(unix.RLIMIT_CORE, new(unix.Rlimit)))
	_, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	report["pair"] = outcome(err)
	return report
}

func TestSystemCallsAreRefused(t *testing.T) {
	needWalls(t)
	got := inside(t, "calls", newSite(t))
	wantedOtherwise := map[string]error{
		"unknown": unix.ENOSYS, "clone3": unix.ENOSYS, "signal itself": nil, "socket": nil, "limits": nil, "pair": nil,
	}
	for name, error := range got {
		want, otherwise := wantedOtherwise[name]
		if !otherwise {
			want = unix.EPERM
		}
		if error != outcome(want) {
			t.Errorf("%s: %s, want %s", name, error, outcome(want))
		}
	}
	if len(got) < len(refused)+len(attempts()) {
		t.Errorf("only %d calls were tried", len(got))
	}
}

// TestRefusedCallsHaveAnEffectOtherwise checks that EPERM is of the filter: without it, the calls
// succeed or fail in another way.
func TestRefusedCallsHaveAnEffectOtherwise(t *testing.T) {
	if status, err := os.ReadFile("/proc/self/status"); err != nil || !strings.Contains(string(status), "\nSeccomp:\t0") {
		t.Skip("this process has another filter")
	}
	for name, try := range attempts() {
		switch name {
		case "signal the group", "signal all", "signal another process", "signal its threads":
			continue // depends on who runs the test
		}
		if got := try(); got == unix.EPERM.Error() {
			t.Errorf("%s is refused without a filter", name)
		}
	}
}

// verdict returns what the filter does with a system call.
func verdict(t *testing.T, vm *bpf.VM, arch, call uint32, args ...uint64) string {
	t.Helper()
	// The machine of the library reads big endian. A filter sees the lower half of an argument first.
	data := binary.BigEndian.AppendUint32(nil, call)
	data = binary.BigEndian.AppendUint32(data, arch)
	data = append(data, make([]byte, 8)...)
	for _, a := range args {
		data = binary.BigEndian.AppendUint32(data, uint32(a))
		data = binary.BigEndian.AppendUint32(data, uint32(a>>32))
	}
	data = append(data, make([]byte, 64-len(data))...)
	r, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	switch uint32(r) {
	case unix.SECCOMP_RET_ALLOW:
		return "allow"
	case refuse.Val:
		return "refuse"
	case unknown.Val:
		return "unknown"
	}
	return fmt.Sprintf("%#x", r)
}

func TestFilter(t *testing.T) {
	const pid = 4711
	vm, err := bpf.NewVM(serverCalls(pid, false).filter())
	if err != nil {
		t.Fatal(err)
	}
	some := make(map[uint32]bool)
	for _, c := range someAllowed(pid) {
		some[c.call] = true
	}
	here := slices.Concat(allowed, ownCallsHere, pathCallsHere)
	not := slices.Concat(refused, refusedHere)
	for n := range uint32(2 * maxCall) {
		want := "unknown"
		switch {
		case some[n]:
			continue
		case slices.Contains(here, n):
			want = "allow"
		case slices.Contains(not, n):
			want = "refuse"
		}
		if got := verdict(t, vm, architecture, n); got != want {
			t.Errorf("call %d: %s, want %s", n, got, want)
		}
		for _, arch := range []uint32{unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_ARM, unix.AUDIT_ARCH_X86_64, unix.AUDIT_ARCH_AARCH64, 0} {
			if got := verdict(t, vm, arch, n); arch != architecture && got != "refuse" {
				t.Errorf("call %d of architecture %#x: %s", n, arch, got)
			}
		}
		for _, high := range []uint32{1 << 30, 1 << 31} {
			if got := verdict(t, vm, architecture, high|n); got != "refuse" {
				t.Errorf("call %#x: %s", high|n, got)
			}
		}
	}
	for _, c := range []struct {
		call uint32
		args []uint64
		want string
	}{
		{unix.SYS_IOCTL, []uint64{3, unix.TCGETS}, "allow"},
		{unix.SYS_IOCTL, []uint64{3, 0xc0606610}, "allow"},
		{unix.SYS_IOCTL, []uint64{3, 1<<32 | unix.TIOCSTI}, "refuse"},
		{unix.SYS_FCNTL, []uint64{3, unix.F_ADD_SEALS}, "allow"},
		{unix.SYS_FCNTL, []uint64{3, unix.F_SETLK}, "allow"},
		{unix.SYS_FCNTL, []uint64{3, unix.F_SETOWN, 1}, "refuse"},
		{unix.SYS_FCNTL, []uint64{3, unix.F_SETOWN_EX}, "refuse"},
		{unix.SYS_SOCKET, []uint64{unix.AF_INET6, unix.SOCK_DGRAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK}, "allow"},
		{unix.SYS_SOCKET, []uint64{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP}, "allow"},
		{unix.SYS_SOCKET, []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE}, "allow"},
		{unix.SYS_SOCKET, []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER}, "refuse"},
		{unix.SYS_SOCKET, []uint64{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP}, "refuse"},
		{unix.SYS_SOCKET, []uint64{unix.AF_UNIX, unix.SOCK_STREAM}, "refuse"},
		{unix.SYS_KILL, []uint64{pid, 9}, "allow"},
		{unix.SYS_KILL, []uint64{1<<32 - pid, 9}, "refuse"},
		{unix.SYS_PRLIMIT64, []uint64{0, 4, 0}, "allow"},
		{unix.SYS_PRLIMIT64, []uint64{0, 4, 1}, "refuse"},
		{unix.SYS_PRLIMIT64, []uint64{0, 4, 1 << 32}, "refuse"},
		{unix.SYS_CLONE, []uint64{unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_SYSVSEM | unix.CLONE_THREAD}, "allow"},
		{unix.SYS_CLONE, []uint64{unix.CLONE_VM}, "refuse"},
		{unix.SYS_CLONE, []uint64{unix.CLONE_THREAD | unix.CLONE_NEWUSER}, "refuse"},
	} {
		if got := verdict(t, vm, architecture, c.call, c.args...); got != c.want {
			t.Errorf("call %d with %#x: %s, want %s", c.call, c.args, got, c.want)
		}
	}
}

// TestListsAreDisjoint checks that no system call is in two lists.
func TestListsAreDisjoint(t *testing.T) {
	all := slices.Concat(allowed, ownCallsHere, pathCallsHere, refused, refusedHere)
	for _, c := range someAllowed(1) {
		all = append(all, c.call)
	}
	slices.Sort(all)
	if n := len(slices.Compact(slices.Clone(all))); n != len(all) {
		t.Errorf("%d of %d system calls are in two lists", len(all)-n, len(all))
	}
	if last := all[len(all)-1]; last > maxCall {
		t.Errorf("call %d is above the bound %d", last, maxCall)
	}
}

// lacking refuses system calls with an error, as a kernel does that has or allows no such calls.
func lacking(e unix.Errno, calls ...uint32) {
	program := []bpf.Instruction{bpf.LoadAbsolute{Off: offsetNumber, Size: 4}}
	for i, n := range calls {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: n, SkipTrue: uint8(len(calls) - i)})
	}
	program = append(program, allow, bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(e)})
	if err := errors.Join(dropPrivileges(), install(program)); err != nil {
		panic(err)
	}
}

// walls confines the process and reports which walls stand, and what is logged as missing.
func walls(s site) map[string]string {
	r := Process(s.options())
	report := map[string]string{
		"landlock": fmt.Sprint(r.Landlock > 0), "seccomp": fmt.Sprint(r.Seccomp),
		"privileges": fmt.Sprint(r.NoNewPrivs), "core": fmt.Sprint(r.NoCoreDumps), "exec": execErrno(),
	}
	_, err := os.ReadDir(s.Outside)
	report["outside"] = outcome(err)
	for _, m := range r.Missing {
		report["missing"] += m.What + ": " + m.Reason.Error() + "\n"
	}
	return report
}

func lacksLandlock(s site) map[string]string {
	lacking(unix.ENOSYS, unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_LANDLOCK_ADD_RULE, unix.SYS_LANDLOCK_RESTRICT_SELF)
	return walls(s)
}

func lacksSeccomp(s site) map[string]string {
	lacking(unix.EINVAL, unix.SYS_SECCOMP)
	return walls(s)
}

func lacksLimits(s site) map[string]string {
	lacking(unix.EPERM, unix.SYS_PRLIMIT64, unix.SYS_SETRLIMIT)
	return walls(s)
}

// TestWallsAreIndependent checks that each wall stands, and what is missing is reported, where the
// kernel lacks another.
func TestWallsAreIndependent(t *testing.T) {
	needWalls(t)
	for lacks, want := range map[string]map[string]string{
		"landlock": {"landlock": "false", "seccomp": "true", "core": "true", "exec": "operation not permitted", "outside": "done", "missing": "all files"},
		"seccomp":  {"landlock": "true", "seccomp": "false", "core": "true", "exec": "bad address", "outside": "permission denied", "missing": "all system calls"},
		"limits":   {"landlock": "true", "seccomp": "true", "core": "false", "exec": "operation not permitted", "outside": "permission denied", "missing": "core dump"},
	} {
		got := inside(t, "lacks "+lacks, newSite(t))
		for name, value := range want {
			if !strings.Contains(got[name], value) {
				t.Errorf("without %s, %s is %q, want %q", lacks, name, got[name], value)
			}
		}
		if got["privileges"] != "true" || strings.Count(got["missing"], "it may")+strings.Count(got["missing"], "a crash may") != 1 {
			t.Errorf("without %s: %v", lacks, got)
		}
	}
}

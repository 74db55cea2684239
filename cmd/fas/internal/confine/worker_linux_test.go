//go:build amd64 || arm64

package confine

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime/memory"
)

// workerSite is what a worker has open before it is confined.
type workerSite struct {
	file, folder int // in a folder of the test
	udp          int // connected to peer
	udp6         int
	peer, other  *net.UDPConn
	tcp, remote  net.Conn
	passed       [2]int // a socket; a descriptor was sent to the first end
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func openWorkerSite(s site) (w workerSite) {
	var err error
	w.file, err = unix.Open(filepath.Join(s.Data, "file"), unix.O_RDWR|unix.O_CREAT, 0o600)
	must(err)
	w.folder, err = unix.Open(s.Data, unix.O_PATH, 0)
	must(err)
	local := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	w.peer, err = net.ListenUDP("udp4", local)
	must(err)
	w.other, err = net.ListenUDP("udp4", local)
	must(err)
	w.udp, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	must(err)
	must(unix.Connect(w.udp, addressOf(w.peer)))
	w.udp6, err = unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM, 0)
	must(err)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	must(err)
	w.tcp, err = net.Dial("tcp4", l.Addr().String())
	must(err)
	w.remote, err = l.Accept()
	must(err)
	w.passed, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(err)
	must(unix.Sendmsg(w.passed[1], []byte("x"), unix.UnixRights(w.file), nil, 0))
	if memory.Resident() == 0 { // opens its file
		panic("the memory use is unknown")
	}
	return w
}

func addressOf(c *net.UDPConn) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: c.LocalAddr().(*net.UDPAddr).Port}
}

// workerMay are uses of what a worker has open.
func workerMay(w workerSite) map[string]func() error {
	return map[string]func() error{
		"write a file": func() error {
			_, err := unix.Pwrite(w.file, []byte("x"), 0)
			return err
		},
		"send to the peer": func() error {
			if e := errno(unix.SYS_SENDTO, uintptr(w.udp), uintptr(unsafe.Pointer(unsafe.StringData("hello"))), 5); e != "done" {
				return errors.New(e)
			}
			_, _, err := w.peer.ReadFrom(make([]byte, 5))
			return err
		},
		"set options": func() error {
			return errors.Join(unix.SetsockoptInt(w.udp, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<16), unix.SetsockoptInt(w.udp, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1))
		},
		"talk to the peer": func() error {
			_, err := w.tcp.Write([]byte("hello"))
			_, readErr := io.ReadFull(w.remote, make([]byte, 5))
			return errors.Join(err, readErr)
		},
		"receive a descriptor": func() error {
			rights := make([]byte, unix.CmsgSpace(4))
			_, n, _, _, err := unix.Recvmsg(w.passed[0], make([]byte, 1), rights, unix.MSG_CMSG_CLOEXEC)
			if err == nil && n == 0 {
				err = errors.New("none came")
			}
			return err
		},
		"map memory": func() error {
			fd, err := unix.MemfdCreate("image", unix.MFD_CLOEXEC)
			if err != nil {
				return err
			}
			if err := unix.Ftruncate(fd, 1<<16); err != nil {
				return err
			}
			m, err := unix.Mmap(fd, 0, 1<<16, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
			if err != nil {
				return err
			}
			m[0] = 1
			return unix.Mprotect(m, unix.PROT_READ)
		},
		"start threads": func() error {
			done := make(chan bool)
			for range 8 {
				go func() {
					runtime.LockOSThread() // the thread ends with the goroutine
					done <- true
				}()
			}
			for range 8 {
				<-done
			}
			return nil
		},
		"read its memory use": func() error {
			if memory.Resident() == 0 {
				return errors.New("it is unknown")
			}
			return nil
		},
	}
}

// workerAttempts are system calls whose arguments decide, besides those of [attempts].
func workerAttempts(w workerSite) map[string]func() string {
	page := uintptr(os.Getpagesize())
	writable, err := unix.Mmap(-1, 0, int(page), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	must(err)
	const private = unix.MAP_PRIVATE | unix.MAP_ANON
	to := addressOf(w.other)
	raw := unix.RawSockaddrInet4{Family: unix.AF_INET, Port: uint16(to.Port>>8 | to.Port<<8), Addr: to.Addr}
	name := filepath.Join("/proc/self/fd", fmt.Sprint(w.file)) + "\x00"
	path := uintptr(unsafe.Pointer(unsafe.StringData(name)))
	all := map[string]func() string{
		"map code": func() string {
			return errno(unix.SYS_MMAP, 0, page, unix.PROT_READ|unix.PROT_EXEC, private, ^uintptr(0), 0)
		},
		"write code": func() string {
			return errno(unix.SYS_MMAP, 0, page, unix.PROT_WRITE|unix.PROT_EXEC, private, ^uintptr(0), 0)
		},
		"execute what it wrote": func() string {
			return errno(unix.SYS_MPROTECT, uintptr(unsafe.Pointer(&writable[0])), page, unix.PROT_READ|unix.PROT_EXEC)
		},
		"send to another": func() string {
			return errno(unix.SYS_SENDTO, uintptr(w.udp), path, 1, 0, uintptr(unsafe.Pointer(&raw)), unix.SizeofSockaddrInet4)
		},
		"send a message to another": func() string { return outcome(unix.Sendmsg(w.udp, []byte("x"), nil, to, 0)) },
		"route to another": func() string {
			// A routing header for segments (RFC 8754) with one, which is where packets go first.
			header := [24]byte{1: 2, 2: 4, 8: 0xfd, 23: 9}
			return errno(unix.SYS_SETSOCKOPT, uintptr(w.udp6), unix.SOL_IPV6, unix.IPV6_RTHDR, uintptr(unsafe.Pointer(&header)), unsafe.Sizeof(header))
		},
		"connect to another":    func() string { return outcome(unix.Connect(w.udp, to)) },
		"open what it has open": func() string { return errno(unix.SYS_OPENAT, ^uintptr(0), path, unix.O_RDONLY) },
		"open in its folder": func() string {
			_, err := unix.Openat(w.folder, "file", unix.O_RDONLY, 0)
			return outcome(err)
		},
		"open a process": func() string {
			_, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", os.Getppid()))
			return outcome(errors.Unwrap(err))
		},
		"socket":        func() string { return errno(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM, 0) },
		"datagrams":     func() string { return errno(unix.SYS_SOCKET, unix.AF_INET6, unix.SOCK_DGRAM, 0) },
		"list networks": func() string { return errno(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE) },
	}
	for name, try := range attempts() {
		all[name] = try
	}
	return all
}

// tryWorker reports what code can do that has escaped in a worker.
func tryWorker(s site) map[string]string {
	w := openWorkerSite(s)
	may, tries := workerMay(w), workerAttempts(w)
	report := make(map[string]string)
	r := Worker()
	for _, m := range r.Missing {
		report["missing"] += m.What + ": " + m.Reason.Error() + "\n"
	}
	for name, try := range may {
		report["may "+name] = outcome(try())
	}
	for _, n := range workerCalls(uint32(os.Getpid())).refused {
		report[fmt.Sprint("call ", n)] = errno(uintptr(n), ^uintptr(0), ^uintptr(0), ^uintptr(0), ^uintptr(0), ^uintptr(0), ^uintptr(0))
	}
	for name, try := range tries {
		report[name] = try()
	}
	return report
}

// TestWorkerIsConfined checks that a worker uses what it has open, and nothing else.
func TestWorkerIsConfined(t *testing.T) {
	needWalls(t)
	got := inside(t, "worker", newSite(t))
	if got["missing"] != "" {
		t.Errorf("missing: %s", got["missing"])
	}
	refused := 0
	for name, result := range got {
		want := unix.EPERM.Error()
		if strings.HasPrefix(name, "may ") {
			want = "done"
		} else if name != "missing" {
			refused++
		}
		if name != "missing" && result != want {
			t.Errorf("%s: %s, want %s", name, result, want)
		}
	}
	if want := len(refusedCalls()) + len(pathCalls) + len(attempts()); refused < want {
		t.Errorf("%d uses were tried, want at least %d", refused, want)
	}
}

func refusedCalls() []uint32 { return slices.Concat(refused, refusedHere) }

// tryWorkerLacks reports what a worker reaches behind one wall, on a kernel that lacks the other: the
// filter, if the folder of Create is empty, or else Landlock.
func tryWorkerLacks(s site) map[string]string {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	must(err)
	if s.Create == "" {
		lacking(unix.EINVAL, unix.SYS_SECCOMP)
	} else {
		lacking(unix.ENOSYS, landlockCalls...)
	}
	r := Worker()
	report := map[string]string{"abi": fmt.Sprint(r.Landlock)}
	for _, m := range r.Missing {
		report["missing"] += m.What + "\n"
	}
	_, err = os.ReadFile(filepath.Join(s.Data, "file"))
	report["read"] = outcome(err)
	report["create"] = outcome(os.WriteFile(filepath.Join(s.Data, "new"), nil, 0o600))
	_, err = net.Dial("tcp4", l.Addr().String())
	report["connect"] = outcome(err)
	return report
}

// TestWallsOfWorkersAreIndependent checks that each wall keeps a worker from files and the network where
// the kernel lacks the other, and that the other is reported as missing.
func TestWallsOfWorkersAreIndependent(t *testing.T) {
	needWalls(t)
	for _, lacks := range []string{"filter", "landlock"} {
		s := newSite(t)
		if lacks == "filter" {
			s.Create = ""
		}
		if err := os.WriteFile(filepath.Join(s.Data, "file"), []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		got := inside(t, "worker lacks", s)
		if strings.Count(got["missing"], "\n") != 1 {
			t.Errorf("without the %s, missing is %q", lacks, got["missing"])
		}
		for _, name := range []string{"read", "create", "connect"} {
			if name == "connect" && lacks == "filter" && len(got["abi"]) == 1 && got["abi"] < "4" {
				continue // this Landlock knows files only
			}
			if !strings.HasSuffix(got[name], unix.EPERM.Error()) && !strings.HasSuffix(got[name], unix.EACCES.Error()) {
				t.Errorf("without the %s, %s: %s", lacks, name, got[name])
			}
		}
	}
}

// tryCapabilities reports the capabilities of all threads without those that were dropped.
func tryCapabilities(site) map[string]string {
	hold := make(chan bool)
	for range 4 {
		go func() {
			runtime.LockOSThread()
			<-hold
		}()
	}
	report := map[string]string{"drop": outcome(dropCapabilities())}
	files, err := filepath.Glob("/proc/self/task/*/status")
	must(err)
	for _, file := range files {
		status, err := os.ReadFile(file)
		must(err)
		for line := range strings.Lines(string(status)) {
			if name, value, _ := strings.Cut(line, ":"); name == "CapEff" || name == "CapPrm" || name == "CapInh" {
				report[name+" of "+file] = strings.TrimSpace(value)
			}
		}
	}
	return report
}

func TestWorkerHasNoCapabilities(t *testing.T) {
	got := inside(t, "capabilities", site{})
	if got["drop"] != "done" || len(got) < 1+3 {
		t.Errorf("got %v", got)
	}
	for name, value := range got {
		if name != "drop" && strings.Trim(value, "0") != "" {
			t.Errorf("%s is %s", name, value)
		}
	}
}

// TestFilterOfWorkers checks verdicts that depend on arguments.
func TestFilterOfWorkers(t *testing.T) {
	const pid = 4711
	worker, err := bpf.NewVM(workerCalls(pid).filter())
	if err != nil {
		t.Fatal(err)
	}
	spawner, err := bpf.NewVM(spawnerCalls().filter())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		call            uint32
		args            []uint64
		worker, spawner string
	}{
		{unix.SYS_MMAP, []uint64{0, 1, unix.PROT_READ | unix.PROT_WRITE}, "allow", "allow"},
		{unix.SYS_MMAP, []uint64{0, 1, unix.PROT_READ | unix.PROT_EXEC}, "refuse", "allow"},
		{unix.SYS_MPROTECT, []uint64{0, 1, unix.PROT_NONE}, "allow", "allow"},
		{unix.SYS_MPROTECT, []uint64{0, 1, unix.PROT_EXEC}, "refuse", "allow"},
		{unix.SYS_SENDTO, []uint64{3, 1, 1, 0, 0, 0}, "allow", "allow"},
		{unix.SYS_SENDTO, []uint64{3, 1, 1, 0, 1 << 32, 16}, "refuse", "allow"},
		{unix.SYS_SENDTO, []uint64{3, 1, 1, 0, 1, 16}, "refuse", "allow"},
		{unix.SYS_SENDMSG, []uint64{3}, "refuse", "allow"},
		{unix.SYS_SETSOCKOPT, []uint64{3, unix.SOL_SOCKET, unix.SO_RCVBUF}, "allow", "allow"},
		{unix.SYS_SETSOCKOPT, []uint64{3, unix.SOL_SOCKET, unix.SO_LINGER}, "refuse", "allow"},
		{unix.SYS_SETSOCKOPT, []uint64{3, unix.SOL_TCP, unix.TCP_WINDOW_CLAMP}, "allow", "allow"},
		{unix.SYS_SETSOCKOPT, []uint64{3, unix.SOL_TCP, unix.TCP_ULP}, "refuse", "allow"},
		{unix.SYS_SETSOCKOPT, []uint64{3, unix.SOL_IPV6, unix.IPV6_RTHDR}, "refuse", "allow"},
		{unix.SYS_SETSOCKOPT, []uint64{3, unix.SOL_IP, unix.IP_OPTIONS}, "refuse", "allow"},
		{unix.SYS_RECVMSG, []uint64{3}, "allow", "allow"},
		{unix.SYS_OPENAT, nil, "refuse", "allow"},
		{unix.SYS_SOCKET, []uint64{unix.AF_INET, unix.SOCK_STREAM}, "refuse", "refuse"},
		{unix.SYS_SOCKET, []uint64{unix.AF_UNIX, unix.SOCK_STREAM}, "refuse", "refuse"},
		{unix.SYS_CONNECT, []uint64{3}, "refuse", "refuse"},
		{unix.SYS_EXECVE, nil, "refuse", "allow"},
		{unix.SYS_PTRACE, nil, "refuse", "refuse"},
		{unix.SYS_PIDFD_GETFD, nil, "refuse", "refuse"},
		{unix.SYS_PIDFD_SEND_SIGNAL, nil, "refuse", "allow"},
		{unix.SYS_KILL, []uint64{pid}, "allow", "allow"},
		{unix.SYS_KILL, []uint64{pid + 1}, "refuse", "allow"},
		{unix.SYS_CLONE, []uint64{unix.CLONE_VM | unix.CLONE_THREAD}, "allow", "allow"},
		{unix.SYS_CLONE, []uint64{unix.CLONE_VM | unix.CLONE_VFORK}, "refuse", "allow"},
		{unix.SYS_CLONE, []uint64{unix.CLONE_NEWUSER}, "refuse", "refuse"},
		{unix.SYS_MOUNT, nil, "refuse", "refuse"},
		{unix.SYS_IO_URING_SETUP, nil, "refuse", "refuse"},
		{unix.SYS_INOTIFY_INIT1, nil, "unknown", "unknown"},
	} {
		if got := verdict(t, worker, architecture, c.call, c.args...); got != c.worker {
			t.Errorf("call %d of a worker with %#x: %s, want %s", c.call, c.args, got, c.worker)
		}
		if got := verdict(t, spawner, architecture, c.call, c.args...); got != c.spawner {
			t.Errorf("call %d of a spawner with %#x: %s, want %s", c.call, c.args, got, c.spawner)
		}
	}
}

package cpython

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"
)

// Causes why tests do not pass. A reason is a cause, or a cause with `: ` and a text behind it.
const (
	// NeedsProcesses and NeedsThreads are features that functions do not have, and NeedsServers is what
	// receives connections.
	NeedsProcesses = "needs processes"
	NeedsThreads   = "needs threads"
	NeedsServers   = "needs servers"
	// NeedsSockets are sockets of other kinds than those of clients of TCP and UDP.
	NeedsSockets = "needs sockets"
	// NeedsSignals is the delivery of signals to the process itself.
	NeedsSignals = "needs signals"
	// NeedsModule is a module that the guest does not have and that docs/functions.md names.
	NeedsModule = "needs an absent module"
	// NeedsFiles is a file, a device or a mode outside of what a function's file system has.
	NeedsFiles = "needs a file system outside /tmp"
	// NeedsSizes are sizes beyond 32 bits, and memory beyond what a function can have.
	NeedsSizes = "needs sizes beyond 32 bits"
	// NeedsCModules are the C modules that exist only for CPython's tests.
	NeedsCModules = "needs CPython's C modules for tests"
	// OtherSystem is a test for another operating system, a debug build, or resources that are off
	// by default.
	OtherSystem = "for another system or build"
	// NeedsSources are the source files of the standard library, which the guest has as bytecode.
	NeedsSources = "needs the standard library's source files"
	// SkippedOnLinux is a test that native CPython on Linux skips.
	SkippedOnLinux = "skipped on Linux, too"
	// FailsOnLinux is a test that fails in native CPython on Linux if it runs as the package runs it.
	FailsOnLinux = "fails on Linux, too"
	// Differs is a difference that was looked into; the text says what differs.
	Differs = "differs"
	// Unsteady is a test whose outcome depends on time or load. It is not compared.
	Unsteady = "unsteady"
	// Unexplained is a test whose reason is not known.
	Unexplained = "unexplained"
)

// causes lists all causes in the order of the document.
var causes = []string{
	NeedsProcesses, NeedsThreads, NeedsServers, NeedsSockets, NeedsSignals, NeedsModule, NeedsFiles, NeedsSources,
	NeedsSizes, NeedsCModules, OtherSystem, Differs, Unsteady, Unexplained, SkippedOnLinux, FailsOnLinux,
}

// Cause returns the cause of a reason.
func Cause(reason string) string {
	cause, _, _ := strings.Cut(reason, ": ")
	return cause
}

// rule recognises a reason from the message of a test, or from the whole traceback.
type rule struct {
	pattern *regexp.Regexp
	details bool // the pattern may also match in the traceback
	reason  string
}

func message(pattern, reason string) rule {
	return rule{regexp.MustCompile(pattern), false, reason}
}

func anywhere(pattern, reason string) rule {
	return rule{regexp.MustCompile(pattern), true, reason}
}

// rules are tried in order. The ones of differences come first: their messages are exact.
var rules = []rule{
	message(`requires os\.lchmod`, SkippedOnLinux),
	message(`receives no connections`, NeedsServers),
	message(`a function receives no signals`, NeedsSignals),
	anywhere(`has no attribute 'gethostname'`, Differs+": a function has no host name"),
	anywhere(`has no attribute 'gethostby`, Differs+": socket.gethostbyname is absent"),
	anywhere(`iso88591|LC_ALL|localeconv|nl_langinfo|test_locale_compiled`, Differs+": locales that do not exist are accepted"),
	message(`undecodable|Illegal byte sequence`, Differs+": names of files must be UTF-8"),
	message(`Parser stack overflowed`, Differs+": the parser's stack is smaller"),
	message(`No space left on device`, NeedsSizes),
	message(`docstrings`, Differs+": functions and types in C have no docstrings and signatures"),
	message(`symlink|symbolic link|readlink`, Differs+": /tmp has no links"),
	message(`os\.link\(\)|Operation not permitted.*->|hardlink|hard link`, Differs+": /tmp has no links"),
	message(`chmod|umask|chown|read-only type|directory read-only|getuid or getgid`, Differs+": files have no modes and no owners"),
	message(`tzset`, Differs+": time.tzset is absent"),
	message(`'/dev/|/dev/zero|/dev/null|null device|os\.devnull`, Differs+": there are no device files"),
	message(`_uuid`, Differs+": the C module _uuid is absent"),
	message(`dont_write_bytecode|writing bytecode`, Differs+": sys.dont_write_bytecode is true"),
	message(`No such file or directory: '/usr/bin/python3'`, Differs+": the file that sys.executable names does not exist"),
	anywhere(`No module named '_pyrepl`, Differs+": pydoc cannot be imported"),
	message(`waitpid|waitid|spawnl|command to run|requires (ifconfig|ip)\b|execve`, NeedsProcesses),
	message(`[Nn]eeds? signal\.|requires signal|siginterrupt|pidfd_send|pidfd support`, NeedsSignals),
	message(`are not traced`, Differs+": tracemalloc does not trace"),
	message(`_hashlib|_hashopenssl`, Differs+": OpenSSL's hashes are absent"),
	message(`TESTFN_UNENCODABLE|unencodable`, Differs+": names of files must be UTF-8"),
	message(`utf-8 mode is enabled`, Differs+": UTF-8 mode is on"),
	message(`large timestamps`, Differs+": times of files end in 2106"),
	message(`invoked with -S|without a site|unless there's a site module`, Differs+": the interpreter runs without site"),
	message(`more than one (user|group)|more than 1 (user|group)`, Differs+": there is one user and one group"),
	message(`clock_settime|pthread_getcpuclockid`, Differs+": calls of the system that the sandbox does not have"),
	message(`fd support|dir_fd|safe rmtree|disk_usage|sched affinity|[Ss]cheduler|sched_|file holes|O_\w+LOCK|posix\.\w+\(\)|pidfd_open|Errno 58\] Not supported$`, Differs+": calls of the system that the sandbox does not have"),
	message(`fwalk|sendfile|copy_file_range|os\.splice|timerfd|eventfd|memfd|mkfifo|mknod|os\.(dup|dup2|readv|writev|preadv|pwritev|statvfs|get_terminal_size|chflags|getrandom|pidfd_open|sched_\w+|nice|confstr|sysconf|posix_f\w+|truncate|lockf|chroot|setns|unshare|kill|getpgid|getsid|set\w+|tcsetpgrp|getgrouplist|initgroups|login_tty|openpty|ctermid|major|listxattr|setxattr)|extended attribute|[Tt]est needs os\.|missing os\.`,
		Differs+": calls of the system that the sandbox does not have"),

	anywhere(`can't start new thread|this wait would never end`, NeedsThreads),
	message(`threading support|requires threading|[Tt]hreads? (is|are) not|no threads`, NeedsThreads),
	anywhere(`/subprocess\.py", line|/multiprocessing/\w+\.py", line|requires subprocess support`, NeedsProcesses),
	message(`subprocess|processes are absent|multiprocessing|os\.fork|has no attribute '(fork|_exit_code|waitpid|posix_spawn|spawn\w*|exec\w*|popen|pipe)'|os\.(posix_spawn|pipe|execv)|a shell|subinterpreters|_interpreters`, NeedsProcesses),
	message(`recvmsg|sendmsg|SocketCan|\bCAN\b|AF_ALG|TIPC|'(getpeername|getsockname|sendto|SO_REUSEADDR)'|could not bind|dualstack|send_fds|CMSG_|[Nn]etwork is not enabled|Selector|ssl support|receives no connections`, NeedsSockets),
	anywhere(`module '_?socket' has no attribute|/socketserver\.py", line`, NeedsSockets),
	message(`socket|UNIX Sockets|Unix sockets|AF_UNIX|AF_INET6?|IPv6|HTTPSConnection|No module named '(_ssl|ssl|select|_socket)'|module 'select' has no|SSL|ssl module|select\.(kqueue|epoll|poll)`, NeedsSockets),
	message(`module '_?signal' has no attribute|signal module|SIGALRM|SIGINT|setitimer|pthread_kill|signal\.(alarm|SIG)|os\.kill`, NeedsSignals),
	message(`No module named '?(_ctypes|ctypes|fcntl|termios|resource|pwd|grp|syslog|readline|_curses|curses|_tkinter|tkinter|pty|tty|pydoc_data|_pyrepl|ensurepip|venv|idlelib|turtle|_posixshmem|_dbm|_gdbm|_interpreters|_interpchannels|_interpqueues)|(pwd|grp|pty|termios|mmap|ctypes)\b.*(module|needed|required|support)|TTY|a tty|terminal|ndbm|gdbm`, NeedsModule),
	message(`_test(capi|internalcapi|limitedcapi|buffer|singlephase|multiphase|externalinspection|clinic)|ndarray object|_xx\w+|xxsubtype|requires _test`, NeedsCModules),
	message(`32-bit|64.?bit|not enough memory|largefile support`, NeedsSizes),
	message(`[Ww]indows|[Ww]in32|\bNT\b|mac ?OS|Mac OS|debug build|gettotalrefcount|resource (')?\w+(')? is not enabled|'\w+' (resource )?(is )?not enabled|Hypothesis|Numpy|EXTRA_FUNCTIONALITY|-E was given|Py_DEBUG|musl|external binary module|builtin module|_winapi|winreg|_wmi|Linux (specific|2\.6)|platform doesn't implement IEE|source code directory`, OtherSystem),
	message(`write access to the installed location`, NeedsFiles),
	anywhere(`No such file or directory: '/(usr/share|etc|proc|bin|usr/bin|var|home|root)|requires a file system`, NeedsFiles),
	anywhere(`could not get source code|No such file or directory: '/usr/lib/python3\.13/|\.pyc'? (doesn't end|not found)|/usr/lib/python3\.13/[\w/]+\.pyc`, NeedsSources),
}

// Classify sets the reasons of a module's tests that do not pass. Reasons by hand come first, then
// what native CPython does, then the rules.
func Classify(m *Module, hand Reasons) {
	for i := range m.Tests {
		t := &m.Tests[i]
		t.Reason = ""
		if t.Outcome != Passed {
			t.Reason = reasonOf(m.Name, *t, hand)
		}
	}
}

func reasonOf(module string, t Test, hand Reasons) string {
	switch {
	case t.Foreign() && t.Native == Skipped:
		return SkippedOnLinux
	case t.Foreign():
		return FailsOnLinux
	}
	if reason := hand.Find(module, t.ID); reason != "" {
		return reason
	}
	for _, r := range rules {
		if r.pattern.MatchString(t.Message) || r.details && r.pattern.MatchString(t.Details) {
			return r.reason
		}
	}
	return Unexplained
}

// Reasons are the reasons by hand, in the order of reasons.txt.
type Reasons []*handReason

type handReason struct {
	pattern string // of module.test, as path.Match reads it
	text    string
	used    bool
}

// ReadReasons reads reasons.txt: lines of a pattern of tests and a reason, separated by a space.
func ReadReasons(file string) (all Reasons, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		pattern, text, ok := strings.Cut(line, " ")
		text = strings.TrimSpace(text)
		known := false
		for _, cause := range causes {
			known = known || Cause(text) == cause
		}
		if _, err := path.Match(pattern, ""); err != nil || !ok || !known {
			return nil, fmt.Errorf("%s:%d: %q is not a pattern of tests and a reason that begins with a cause", file, n, line)
		}
		all = append(all, &handReason{pattern: pattern, text: text})
	}
	return all, lines.Err()
}

// Find returns the reason of a test, empty if reasons.txt has none.
func (r Reasons) Find(module, test string) string {
	for _, h := range r {
		if ok, err := path.Match(h.pattern, module+"."+test); ok && err == nil {
			h.used = true
			return h.text
		}
	}
	return ""
}

// Unused returns the patterns that have matched no test.
func (r Reasons) Unused() (patterns []string) {
	for _, h := range r {
		if !h.used {
			patterns = append(patterns, h.pattern)
		}
	}
	return patterns
}

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
	// NeedsProcesses, NeedsThreads and NeedsSockets are the features that functions do not have.
	NeedsProcesses = "needs processes"
	NeedsThreads   = "needs threads"
	NeedsSockets   = "needs sockets"
	// NeedsSignals is the delivery of signals to the process itself.
	NeedsSignals = "needs signals"
	// NeedsModule is a module that the guest does not have and that docs/functions.md names.
	NeedsModule = "needs an absent module"
	// NeedsFiles is a file, a device or a mode outside of what a function's file system has.
	NeedsFiles = "needs a file system outside /tmp"
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
	NeedsProcesses, NeedsThreads, NeedsSockets, NeedsSignals, NeedsModule, NeedsFiles, NeedsSources,
	Differs, Unsteady, Unexplained, SkippedOnLinux, FailsOnLinux,
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

func message(pattern, reason string) rule { return rule{regexp.MustCompile(pattern), false, reason} }
func anywhere(pattern, reason string) rule {
	return rule{regexp.MustCompile(pattern), true, reason}
}

// rules are tried in order.
var rules = []rule{
	anywhere(`can't start new thread|threading support|requires threading|[Tt]hreads? (is|are) not|no threads`, NeedsThreads),
	anywhere(`subprocess support|does not support processes|multiprocessing|working os\.fork|has no attribute '(fork|_exit_code|waitpid|posix_spawn|spawn\w*|exec\w*|popen|pipe)'|requires (subprocess|fork)|os\.(fork|posix_spawn|pipe)|_multiprocessing|_posixsubprocess|test needs to be run as a process`, NeedsProcesses),
	anywhere(`module '?_?socket'? has no attribute|socket support|working socket|import (_)?socket|Unix sockets|AF_UNIX|AF_INET6?|socketpair|needs sockets|No module named '(_ssl|ssl|select|_socket)'|[Ss]ockets? (is|are) not|module 'select' has no|SSL|ssl module|select\.(kqueue|epoll|poll)|broken socket`, NeedsSockets),
	anywhere(`module 'signal' has no attribute|'?_signal'? has no attribute|signal module|SIGALRM|SIGINT|setitimer|pthread_kill|signal\.(alarm|SIG)`, NeedsSignals),
	message(`No module named '(_ctypes|ctypes|mmap|_mmap|fcntl|termios|resource|pwd|grp|syslog|readline|_curses|curses|_tkinter|tkinter|pty|tty|pydoc_data|_pyrepl|ensurepip|venv|idlelib|turtle|lib2to3|_posixshmem|_dbm|_gdbm|_interpreters|_interpchannels|_interpqueues|nis|audioop)`, NeedsModule),
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

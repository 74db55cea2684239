package spawn

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The first argument of a process of these tests, which says what it is.
const (
	beSpawner = "spawner-of-test"
	beWorker  = "worker-of-test"
	beServer  = "server-of-test"
)

func TestMain(m *testing.M) {
	var err error
	switch role := strings.Join(os.Args[1:], " "); role {
	case beSpawner:
		err = serveTest()
	case beWorker:
		err = workTest()
	case beServer:
		err = serverTest()
	default:
		goleak.VerifyTestMain(m)
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serveTest() error {
	conn, err := Inherited()
	if err != nil {
		return err
	}
	return Serve(conn, ServeOptions{Args: []string{beWorker}, Env: os.Environ(), Log: Log(os.Stderr)}, func() {})
}

// workTest is a worker that does what each line says that it receives.
func workTest() error {
	conn, err := Inherited()
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		switch line := lines.Text(); line {
		case "exit":
			os.Exit(7)
		case "log":
			Log(os.Stderr).Error("something is wrong", "what", "all")
			fmt.Fprintln(os.Stderr, "panic: of a test")
		case "flood":
			for i := range 10 * maxLines {
				fmt.Fprintln(os.Stderr, "line", i)
			}
		case "environ":
			fmt.Fprintln(conn, strings.Join(os.Environ(), " "))
		default:
			fmt.Fprintln(conn, line)
		}
	}
	select {} // until the process that it belongs to ends it
}

// serverTest is a server that prints the ids of its processes, and is killed then.
func serverTest() error {
	s, err := Start(Options{Args: []string{beSpawner}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	fmt.Println(s.PID())
	for range 2 {
		p, err := s.Worker(context.Background())
		if err != nil {
			return err
		}
		fmt.Println(p.PID())
	}
	fmt.Println("ready")
	select {}
}

// logBuffer is a log that a test reads while others write it.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, env ...string) (*Spawner, *logBuffer) {
	t.Helper()
	var log logBuffer
	s, err := Start(Options{Args: []string{beSpawner}, Env: env, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, &log
}

func begin(t *testing.T, s *Spawner) *Process {
	t.Helper()
	p, err := s.Worker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Conn().Close() })
	return p
}

func say(t *testing.T, p *Process, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.Conn(), line); err != nil {
		t.Fatal(err)
	}
}

func ask(t *testing.T, p *Process, line string) string {
	t.Helper()
	say(t, p, line)
	answer, err := bufio.NewReader(p.Conn()).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(answer)
}

// awaitTrue waits until something holds.
func awaitTrue(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for late := time.After(time.Minute); !holds(); {
		select {
		case <-late:
			t.Fatalf("it does not hold: %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

// runs reports whether a process runs, and is no zombie.
func runs(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && !strings.Contains(string(status), "\nState:\tZ")
}

func TestWorkers(t *testing.T) {
	s, _ := start(t, "GIVEN=1")
	one, two := begin(t, s), begin(t, s)
	if got := ask(t, one, "hello") + ask(t, two, "you"); got != "helloyou" {
		t.Errorf("the workers answer %q", got)
	}
	if one.PID() == two.PID() || one.PID() == s.PID() || !runs(one.PID()) {
		t.Errorf("the processes are %d, %d and %d", s.PID(), one.PID(), two.PID())
	}
	if got := ask(t, one, "environ"); got != "GIVEN=1" {
		t.Errorf("the environment is %q", got)
	}
	if err := one.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := one.Wait(); !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("the worker that was killed: %v", err)
	}
	say(t, two, "exit")
	if err := two.Wait(); !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("the worker that ended: %v", err)
	}
	if got := ask(t, begin(t, s), "again"); got != "again" {
		t.Errorf("the next worker answers %q", got)
	}
}

// TestConnectionEndsWithWorker checks that the server's end of a connection reads its end once the worker
// has died: no other process holds it.
func TestConnectionEndsWithWorker(t *testing.T) {
	s, _ := start(t)
	p, neighbour := begin(t, s), begin(t, s)
	ask(t, p, "hello")
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if n, err := p.Conn().Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d bytes: %v", n, err)
	}
	ask(t, neighbour, "hello")
}

func TestCloseEndsAllProcesses(t *testing.T) {
	s, _ := start(t)
	pids := []int{s.PID()}
	var workers []*Process
	for range 3 {
		workers = append(workers, begin(t, s))
		pids = append(pids, workers[len(workers)-1].PID())
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	for _, p := range workers {
		if err := p.Wait(); err == nil {
			t.Error("a worker has no end")
		}
	}
	for _, pid := range pids {
		awaitTrue(t, fmt.Sprint("the end of ", pid), func() bool { return !runs(pid) })
	}
	if _, err := s.Worker(t.Context()); !errors.Is(err, errEnded) {
		t.Errorf("a worker of a closed spawner: %v", err)
	}
}

// TestKilledSpawner checks that workers end with their spawner, and that the server notices.
func TestKilledSpawner(t *testing.T) {
	s, _ := start(t)
	p := begin(t, s)
	ask(t, p, "hello")
	if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if err := p.Wait(); !errors.Is(err, errEnded) {
		t.Errorf("the worker: %v", err)
	}
	awaitTrue(t, "the worker ends", func() bool { return !runs(p.PID()) })
	if _, err := s.Worker(t.Context()); !errors.Is(err, errEnded) {
		t.Errorf("another worker: %v", err)
	}
}

// TestKilledServer checks that the spawner and its workers end with the server.
func TestKilledServer(t *testing.T) {
	cmd := exec.Command(program, beServer)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []int
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "ready"; {
		var pid int
		if _, err := fmt.Sscan(lines.Text(), &pid); err != nil {
			t.Fatalf("the server prints %q", lines.Text())
		}
		pids = append(pids, pid)
	}
	if len(pids) != 3 {
		t.Errorf("the processes are %v", pids)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for _, pid := range pids {
		awaitTrue(t, fmt.Sprint("the end of ", pid), func() bool { return !runs(pid) })
	}
}

func TestCancelledStart(t *testing.T) {
	s, _ := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		if p, err := s.Worker(ctx); err == nil { // it was faster
			p.Conn().Close()
			_ = p.Kill()
		} else if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	awaitTrue(t, "no worker is left", func() bool {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", s.PID(), s.PID()))
		s.mu.Lock()
		defer s.mu.Unlock()
		return err == nil && len(bytes.TrimSpace(children)) == 0 && len(s.workers) == 0
	})
	ask(t, begin(t, s), "hello")
}

func TestOutputIsLogged(t *testing.T) {
	s, log := start(t)
	p := begin(t, s)
	say(t, p, "log")
	for _, want := range []string{`level=ERROR msg="something is wrong" process=worker pid=`, `what=all`, `line="panic: of a test"`} {
		awaitTrue(t, want, func() bool { return strings.Contains(log.String(), want) })
	}
	say(t, p, "flood")
	say(t, p, "exit")
	_ = p.Wait()
	awaitTrue(t, "lines are dropped", func() bool { return strings.Contains(log.String(), "dropped lines") })
	if n := strings.Count(log.String(), "\n"); n > maxLines+10 {
		t.Errorf("the log has %d lines", n)
	}
}

// TestWorkersEndFirst checks that the kernel prefers to end workers when memory runs out.
func TestWorkersEndFirst(t *testing.T) {
	s, _ := start(t)
	score := func(pid int) string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	own := score(os.Getpid())
	if own > killFirst && len(own) >= len(killFirst) {
		t.Skipf("this process has %s already", own)
	}
	for range 2 {
		if p := begin(t, s); score(p.PID()) != killFirst || score(s.PID()) != own {
			t.Errorf("the worker has %s, the spawner %s, this process %s", score(p.PID()), score(s.PID()), own)
		}
	}
}

// TestNoDescriptorsLeak checks that workers that come and go leave no open files in the server and in the
// spawner.
func TestNoDescriptorsLeak(t *testing.T) {
	s, _ := start(t)
	cycle := func() {
		p, err := s.Worker(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ask(t, p, "hello")
		_ = p.Kill()
		_ = p.Wait()
		p.Conn().Close()
	}
	open := func(pid int) int {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	cycle()
	server, spawner := open(os.Getpid()), open(s.PID())
	for range 20 {
		cycle()
	}
	awaitTrue(t, "no files are left", func() bool { return open(os.Getpid()) <= server && open(s.PID()) <= spawner })
}

// TestInheritedNeedsAConnection checks that a command that was started by hand says why it fails.
func TestInheritedNeedsAConnection(t *testing.T) {
	cmd := exec.Command(program, beWorker)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Run(); err == nil || !strings.Contains(errs.String(), "not the connection of a server") {
		t.Errorf("%v: %s", err, errs.String())
	}
}

// A spawner that is stopped does not hold up a server that ends: workers that it should have killed count as
// ended, and so does it. When it goes on, it kills them.
func TestStoppedSpawner(t *testing.T) {
	for name, end := range map[string]func(s *Spawner, p *Process) error{
		"a worker is killed first": func(s *Spawner, p *Process) error {
			if err := p.Kill(); err != nil {
				return err
			}
			if err := p.Wait(); !errors.Is(err, errEnded) {
				return fmt.Errorf("the worker: %w", err)
			}
			<-s.Done()
			return nil
		},
		"at once":          func(*Spawner, *Process) error { return nil },
		"after a start":    func(s *Spawner, _ *Process) error { return canceledStart(s) },
		"after many kills": func(_ *Spawner, p *Process) error { return killUntilItFails(p) },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Start(Options{Args: []string{beSpawner}, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer s.output.Wait() // until the processes have ended
			s.patience = 100 * time.Millisecond
			p := begin(t, s)
			if err := syscall.Kill(s.PID(), syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			defer syscall.Kill(s.PID(), syscall.SIGCONT)
			if err := end(s, p); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err == nil {
				t.Error("the end of a process that is stopped is reported")
			}
			if _, err := s.Worker(t.Context()); err == nil {
				t.Error("a worker started")
			}
		})
	}
}

// canceledStart starts a worker until its context ends.
func canceledStart(s *Spawner) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := s.Worker(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the start: %w", err)
	}
	return nil
}

// killUntilItFails sends more requests than the spawner's socket takes.
func killUntilItFails(p *Process) error {
	for range 100_000 {
		if p.Kill() != nil {
			return nil
		}
	}
	return errors.New("the socket takes any number of requests")
}

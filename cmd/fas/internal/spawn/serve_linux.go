package spawn

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	goruntime "runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// ServeOptions are what a spawner starts. All workers are alike.
type ServeOptions struct {
	// Args are the arguments of a worker's process after the program's name. It gets its connection by
	// [Inherited].
	Args []string
	Env  []string
	Log  *slog.Logger
}

const (
	// maxWorkers bounds the workers at once, whatever the server asks for.
	maxWorkers = 1024
	// killFirst is the oom_score_adj of workers: where memory runs out, the kernel ends a worker, which
	// costs its runs one attempt, rather than the server (proc_pid_oom_score_adj(5)).
	killFirst = "500"
)

// spawner is the side of a Spawner in its own process.
type spawner struct {
	ServeOptions
	conn *net.UnixConn
	oom  *os.File // its oom_score_adj; nil: it has none

	mu      sync.Mutex
	workers map[uint64]*exec.Cmd // that have not ended
	running sync.WaitGroup
}

// Serve starts workers for the server at the other end of the connection, until the server closes its
// end. Then it kills them, and returns when all have ended. confine is called before it serves.
func Serve(conn *net.UnixConn, o ServeOptions, confine func()) error {
	// The kernel kills workers when the thread that has started them ends.
	goruntime.LockOSThread()
	s := &spawner{ServeOptions: o, conn: conn, workers: make(map[uint64]*exec.Cmd)}
	var err error
	if s.oom, err = os.OpenFile("/proc/self/oom_score_adj", os.O_RDWR, 0); err != nil {
		o.Log.Warn("the kernel may end the server rather than a worker when memory runs out", "error", err)
	}
	confine()
	for err = nil; err == nil; {
		var r request
		var files []int
		if files, err = receive(conn, &r); err == nil {
			closeAll(files)
			err = s.handle(r)
		}
	}
	s.killAll()
	s.running.Wait()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, conn.Close())
}

// handle handles a request. An error ends the spawner.
func (s *spawner) handle(r request) error {
	if r.Kill {
		s.mu.Lock()
		defer s.mu.Unlock()
		if cmd := s.workers[r.Worker]; cmd != nil {
			_ = cmd.Process.Kill() // fails if it has ended
		}
		return nil
	}
	cmd, ends, err := s.start(r.Worker)
	if err != nil {
		return send(s.conn, report{Worker: r.Worker, Failed: err.Error()})
	}
	err = send(s.conn, report{Worker: r.Worker, PID: cmd.Process.Pid}, int(ends[0].Fd()), int(ends[1].Fd()))
	for _, f := range ends {
		f.Close()
	}
	s.running.Go(func() { s.wait(r.Worker, cmd) })
	return err
}

// start starts a worker, and returns the server's ends of its connection and of its output.
func (s *spawner) start(number uint64) (*exec.Cmd, [startFiles]*os.File, error) {
	var ends [startFiles]*os.File
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.workers) >= maxWorkers || s.workers[number] != nil {
		return nil, ends, fmt.Errorf("there are %d workers", len(s.workers))
	}
	server, worker, err := pair(unix.SOCK_STREAM)
	if err != nil {
		return nil, ends, err
	}
	defer worker.Close()
	read, write, err := os.Pipe()
	if err != nil {
		server.Close()
		return nil, ends, err
	}
	defer write.Close()
	cmd := command(s.Args, s.Env, worker, write)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	restore := s.exposeToOOM()
	err = cmd.Start()
	restore()
	if err != nil {
		return nil, ends, errors.Join(err, server.Close(), read.Close())
	}
	s.workers[number] = cmd
	return cmd, [startFiles]*os.File{server, read}, nil
}

// exposeToOOM makes processes that are started until restore is called the first that the kernel ends
// when memory runs out: they inherit that.
func (s *spawner) exposeToOOM() (restore func()) {
	var old [16]byte
	if s.oom == nil {
		return func() {}
	}
	n, err := s.oom.ReadAt(old[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return func() {}
	}
	_, _ = s.oom.WriteAt([]byte(killFirst), 0)
	return func() { _, _ = s.oom.WriteAt(old[:n], 0) }
}

// wait reports the end of a worker.
func (s *spawner) wait(number uint64, cmd *exec.Cmd) {
	how := "exit status 0"
	if err := cmd.Wait(); err != nil {
		how = err.Error()
	}
	s.mu.Lock()
	delete(s.workers, number)
	s.mu.Unlock()
	_ = send(s.conn, report{Worker: number, Ended: how}) // fails when the server is gone
}

func (s *spawner) killAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cmd := range s.workers {
		_ = cmd.Process.Kill()
	}
}

package spawn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Options of a Spawner.
type Options struct {
	// Args are the arguments of the spawner's process, which calls [Serve], after the program's name.
	Args []string
	// Env is the environment of the spawner and the workers: it has no secrets.
	Env []string
	Log *slog.Logger // gets what workers and the spawner print; nil: slog.Default
}

// Spawner starts workers. All methods may be called concurrently.
type Spawner struct {
	conn     *net.UnixConn
	log      *slog.Logger
	pid      int
	patience time.Duration // see closeTime
	done     chan struct{} // closed once the spawner, and so each worker, has ended or is about to, or does not answer
	output   sync.WaitGroup

	mu      sync.Mutex
	last    uint64
	workers map[uint64]*Process // that have not ended
	closed  bool
	stuck   bool // the spawner does not answer
}

// program is the program of this process, also after its file was replaced.
const program = "/proc/self/exe"

// closeTime bounds how long the end of a process that is killed may take, and a request to the spawner.
const closeTime = 10 * time.Second

// Start starts a spawner. The process may be confined afterwards.
func Start(o Options) (*Spawner, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	ours, theirs, err := pair(unix.SOCK_SEQPACKET)
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	conn, err := connection(ours)
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	defer write.Close()
	cmd := command(o.Args, o.Env, theirs, write)
	cmd.Dir = "/" // keeps no other folder from being removed or unmounted
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot start the process that starts workers: %w", err), conn.Close(), read.Close())
	}
	s := &Spawner{
		conn: conn, log: o.Log, pid: cmd.Process.Pid, patience: closeTime, done: make(chan struct{}), workers: make(map[uint64]*Process),
	}
	_ = cmd.Process.Release() // a confined process cannot wait for it; the end of its connection is its end
	s.output.Go(func() { forward(read, o.Log.With("process", "spawner")) })
	go s.attend()
	return s, nil
}

// command returns the command of this program with the connection as its descriptor 3.
func command(args, env []string, conn, output *os.File) *exec.Cmd {
	return &exec.Cmd{
		Path: program, Args: append([]string{"fas"}, args...), Env: append([]string{}, env...),
		ExtraFiles: []*os.File{conn}, Stdout: output, Stderr: output,
	}
}

// PID returns the process id of the spawner.
func (s *Spawner) PID() int { return s.pid }

// Done is closed when the spawner has ended, and with it all workers, or does not answer. No other can be
// started then.
func (s *Spawner) Done() <-chan struct{} { return s.done }

// errEnded is the error of a Spawner that has ended.
var errEnded = errors.New("the process that starts workers has ended")

// Worker starts a worker.
func (s *Spawner) Worker(ctx context.Context) (*Process, error) {
	s.mu.Lock()
	s.last++
	p := &Process{spawner: s, number: s.last, started: make(chan struct{}), ended: make(chan struct{})}
	if s.closed {
		s.mu.Unlock()
		return nil, errEnded
	}
	s.workers[p.number] = p
	s.mu.Unlock()
	if err := s.request(request{Worker: p.number}); err != nil {
		return nil, errors.Join(errEnded, err)
	}
	select {
	case <-p.started:
		return p, nil
	case <-p.ended:
		return nil, p.err
	case <-ctx.Done():
		go func() { // it may start all the same
			<-p.ended
			if p.conn != nil {
				_ = p.conn.Close()
			}
		}()
		_ = p.Kill()
		return nil, context.Cause(ctx)
	}
}

// request sends a request. A spawner that has stopped reading does not hold up the server.
func (s *Spawner) request(r request) error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(s.patience)) // fails with the connection
	return send(s.conn, r)
}

// abandon ends the connection to a spawner that does not answer, because something has stopped it. It kills
// the workers when it goes on.
func (s *Spawner) abandon() {
	s.mu.Lock()
	s.stuck = true
	s.mu.Unlock()
	_ = s.conn.Close()
}

// attend receives the reports of the spawner until it ends.
func (s *Spawner) attend() {
	var err error
	for err == nil {
		var r report
		var files []int
		if files, err = receive(s.conn, &r); err == nil {
			s.handle(r, files)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stuck:
		s.log.Error("the process that starts workers does not answer", "pid", s.pid)
	case !s.closed && !errors.Is(err, io.EOF):
		s.log.Error("the connection to the process that starts workers broke", "error", err)
	}
	s.closed = true
	for number, p := range s.workers {
		delete(s.workers, number)
		p.end(errEnded)
	}
	close(s.done)
}

// handle handles a report, and takes its descriptors.
func (s *Spawner) handle(r report, files []int) {
	s.mu.Lock()
	p := s.workers[r.Worker]
	if p == nil || r.Failed != "" || r.Ended != "" {
		delete(s.workers, r.Worker)
	}
	s.mu.Unlock()
	switch {
	case p == nil:
		closeAll(files)
	case r.Failed != "":
		closeAll(files)
		p.end(fmt.Errorf("cannot start a worker: %s", r.Failed))
	case r.Ended != "":
		closeAll(files)
		p.end(fmt.Errorf("the worker ended: %s", r.Ended))
	default:
		if err := p.begin(r.PID, files); err != nil {
			s.log.Error("a worker has no connection", "pid", r.PID, "error", err)
			_ = p.Kill()
		}
	}
}

// Close kills the workers, and waits until they and the spawner have ended, but not for long. It may be
// called twice.
func (s *Spawner) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	_ = s.conn.CloseWrite() // fails if the spawner has ended
	select {
	case <-s.done:
	case <-time.After(s.patience):
		s.abandon()
		<-s.done
	}
	s.mu.Lock()
	stuck := s.stuck
	s.mu.Unlock()
	if stuck {
		return fmt.Errorf("the process %d, which starts workers, does not end", s.pid)
	}
	s.output.Wait()
	_ = s.conn.Close() // fails if it is closed
	return nil
}

// Process is a worker process.
type Process struct {
	spawner *Spawner
	number  uint64
	started chan struct{}
	pid     int
	conn    *net.UnixConn
	ended   chan struct{}
	err     error // set when ended is closed
	killed  sync.Once
}

// begin takes the descriptors of a worker that has started.
func (p *Process) begin(pid int, files []int) (err error) {
	if len(files) != startFiles {
		closeAll(files)
		return fmt.Errorf("%d descriptors came, not %d", len(files), startFiles)
	}
	_ = unix.SetNonblock(files[1], true) // otherwise each worker's output occupies a thread
	output := os.NewFile(uintptr(files[1]), "output")
	if p.conn, err = connection(os.NewFile(uintptr(files[0]), "worker")); err != nil {
		output.Close()
		return err
	}
	p.pid = pid
	s := p.spawner
	s.output.Go(func() { forward(output, s.log.With("process", "worker", "pid", pid)) })
	close(p.started)
	return nil
}

func (p *Process) end(err error) {
	p.err = err
	close(p.ended)
}

// PID returns the id of the process.
func (p *Process) PID() int { return p.pid }

// Conn returns the server's end of the connection, which the caller closes.
func (p *Process) Conn() *net.UnixConn { return p.conn }

// Kill ends the process soon, and is of no effect if it has ended. Wait returns when it has. If the spawner
// does not report that, it is taken for one that has ended.
func (p *Process) Kill() error {
	p.killed.Do(func() {
		go func() {
			timer := time.NewTimer(p.spawner.patience)
			defer timer.Stop()
			select {
			case <-p.ended:
			case <-timer.C:
				p.spawner.abandon()
			}
		}()
	})
	return p.spawner.request(request{Worker: p.number, Kill: true})
}

// Wait waits until the process has ended, and returns how: never nil. After Kill it waits for a time only.
func (p *Process) Wait() error {
	<-p.ended
	return p.err
}

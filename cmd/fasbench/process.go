package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// stopTime is how long a process gets to end after it was asked to. Then it is
// killed.
const stopTime = 10 * time.Second

// process is a server that runs beside the measurements.
type process struct {
	cmd  *exec.Cmd
	log  string // file of what it writes
	gone chan struct{}
}

// start starts a program. It is ended by stop, or with ctx.
func (l *lab) start(ctx context.Context, dir string, env []string, name string, args ...string) (*process, error) {
	log, err := os.CreateTemp(l.tmp, filepath.Base(name)+"-*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTime
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, log: log.Name(), gone: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(p.gone)
	}()
	return p, nil
}

// stop ends the process and waits until it is gone.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.gone:
	case <-time.After(stopTime):
		_ = p.cmd.Process.Kill()
		<-p.gone
	}
}

// await tries until ok answers nil, or the process is gone or ctx is over.
func (p *process) await(ctx context.Context, ok func() error) error {
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for {
		err := ok()
		if err == nil {
			return nil
		}
		select {
		case <-poll.C:
		case <-p.gone:
			text, _ := os.ReadFile(p.log)
			return fmt.Errorf("%s ended: %s", filepath.Base(p.cmd.Path), tail(text))
		case <-ctx.Done():
			text, _ := os.ReadFile(p.log)
			return fmt.Errorf("%s does not answer (%w): %s", filepath.Base(p.cmd.Path), err, tail(text))
		}
	}
}

// freePort finds a port that nobody listens at, for programs that cannot choose
// one and tell.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

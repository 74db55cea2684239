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

// stopTime is how long a process may take to exit after SIGTERM before it is killed.
const stopTime = 10 * time.Second

// process is a server process.
type process struct {
	cmd    *exec.Cmd
	log    string        // path of the file with its standard output and error
	exited chan struct{} // closed when the process has exited
}

// start starts a program, which runs until stop is called or ctx is cancelled.
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
	p := &process{cmd: cmd, log: log.Name(), exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // await reports the log of a process that exits early
		close(p.exited)
	}()
	return p, nil
}

// stop asks the process to exit, kills it after stopTime, and returns when it has exited.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(stopTime):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// kill kills the process, and returns when it has exited.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// await polls ok until it returns nil. It fails if the process exits or ctx is cancelled.
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
		case <-p.exited:
			text, _ := os.ReadFile(p.log)
			return fmt.Errorf("%s exited: %s", filepath.Base(p.cmd.Path), tail(text))
		case <-ctx.Done():
			text, _ := os.ReadFile(p.log)
			return fmt.Errorf("%s is not ready (%w): %s", filepath.Base(p.cmd.Path), err, tail(text))
		}
	}
}

// freePort returns an unused address on 127.0.0.1, for programs that cannot choose a port and
// report it.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

//go:build !linux

package spawn

import (
	"context"
	"errors"
	"log/slog"
	"net"
)

// Options of a Spawner.
type Options struct {
	Args, Env []string
	Log       *slog.Logger
}

// Spawner starts no workers: there is none on this system.
type Spawner struct{}

// Process is a worker process: there is none on this system.
type Process struct{}

// errUnsupported is the error of what starts or serves processes.
var errUnsupported = errors.New("worker processes need Linux")

// Start fails.
func Start(Options) (*Spawner, error) { return nil, errUnsupported }

// PID returns 0.
func (*Spawner) PID() int { return 0 }

// Done returns nil.
func (*Spawner) Done() <-chan struct{} { return nil }

// Worker fails.
func (*Spawner) Worker(context.Context) (*Process, error) { return nil, errUnsupported }

// Close does nothing.
func (*Spawner) Close() error { return nil }

// PID returns 0.
func (*Process) PID() int { return 0 }

// Conn returns nil.
func (*Process) Conn() *net.UnixConn { return nil }

// Kill fails.
func (*Process) Kill() error { return errUnsupported }

// Wait fails.
func (*Process) Wait() error { return errUnsupported }

// ServeOptions are what a spawner starts.
type ServeOptions struct {
	Args, Env []string
	Log       *slog.Logger
}

// Serve fails.
func Serve(*net.UnixConn, ServeOptions, func()) error { return errUnsupported }

// Inherited fails.
func Inherited() (*net.UnixConn, error) { return nil, errUnsupported }

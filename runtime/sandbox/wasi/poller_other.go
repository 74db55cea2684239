//go:build !linux

package wasi

import (
	"context"
	"syscall"
	"time"
)

// hasSockets reports whether this system has sockets for guests.
const hasSockets = false

// poller is without use where no socket can be opened.
type poller struct {
	hold  func(n int) bool
	watch watch
}

func (p *poller) add(*end)              {}
func (p *poller) close()                {}
func (p *poller) waker() func()         { return func() {} }
func (p *poller) ask(*end, events) bool { return false }
func (p *poller) remove(*end)           {}
func (p *poller) collect()              {}

func (p *poller) wait(ctx context.Context, until time.Time) bool { return waitFor(ctx, nil, until) }

func pairOfEnds(bool) (ends [2]*end, _ errno) { return ends, eNOSYS }

func (e *end) receive([]byte, uint32) (int, errno) { return 0, eNOSYS }
func (e *end) send([]byte, uint32) (int, errno)    { return 0, eNOSYS }
func (e *end) shutdown(int) errno                  { return eNOSYS }
func (e *end) takeError() errno                    { return success }
func (e *end) set(option) errno                    { return success }
func (e *end) localPort() uint16                   { return 0 }

func setBuffers(syscall.RawConn, int, int) {}
func widen(syscall.RawConn, int)           {}

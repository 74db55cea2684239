package egress

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

var _ runtime.Connector = (*network)(nil)

// starter is a dialer that can begin to connect without waiting.
type starter interface {
	// start returns a socket that connects, or has connected.
	start(network string, to netip.AddrPort) (system, error)
	// outcome reports whether a socket of start has ended to connect, and its error.
	outcome(s system) (ended bool, err error)
	// interrupt ends the attempt of a socket of start.
	interrupt(s system)
}

// connecting is a connection that start has begun.
type connecting struct {
	*connection
	starter  starter
	ended    bool
	err      error
	timedOut atomic.Bool
}

// Connect implements [runtime.Connector].
func (w *network) Connect(network string, to netip.AddrPort) (runtime.Connecting, error) {
	t, err := w.admit(network, to)
	if err != nil {
		return nil, err
	}
	d, err := w.networks.dialer(t)
	if err != nil {
		return nil, err
	}
	s, ok := d.(starter)
	if !ok {
		return nil, nil
	}
	if err := w.enter(); err != nil {
		return nil, err
	}
	defer w.working.Done()
	c, err := w.connect(s, t)
	if err != nil {
		w.end()
		return nil, err
	}
	return c, nil
}

// connect begins to connect to a target. The attempt is counted.
func (w *network) connect(s starter, t target) (*connecting, error) {
	began := time.Now()
	socket, err := s.start(t.network, t.to)
	if err != nil {
		err = dialError(t.host, t.to.Port(), err)
		w.failed(t, began, err)
		return nil, err
	}
	c := &connecting{connection: &connection{system: socket, network: w, target: t, began: began}, starter: s}
	ended, err := s.outcome(socket)
	if !ended {
		c.timer = time.AfterFunc(w.networks.patience, func() {
			c.timedOut.Store(true)
			s.interrupt(c.socket())
		})
	}
	if err := w.keep(c.connection); err != nil {
		c.stopTimer()
		_ = socket.Close()
		return nil, err
	}
	if ended {
		c.end(err)
	}
	return c, nil
}

// Connected implements [runtime.Connecting].
func (c *connecting) Connected() (bool, error) {
	if c.ended {
		return true, c.err
	}
	ended, err := c.starter.outcome(c.socket())
	if c.timedOut.Load() {
		ended, err = true, os.ErrDeadlineExceeded
	}
	if !ended {
		return false, nil
	}
	c.stopTimer()
	c.end(err)
	return true, c.err
}

// end notes how the attempt has ended.
func (c *connecting) end(err error) {
	c.ended = true
	switch {
	case errors.Is(err, os.ErrClosed):
		c.err = closedError() // by the network, with its run
	case err != nil:
		c.err = dialError(c.target.host, c.target.to.Port(), err)
	default:
		c.network.use(c.connection)
	}
	if c.err != nil {
		c.network.failed(c.target, c.began, c.err)
	}
}

// direct connects without a proxy. What is dialled is an address that was checked: nothing resolves it
// again. A run sets the options of its sockets itself.
type direct struct{ net.Dialer }

func newDirect() *direct { return &direct{net.Dialer{KeepAlive: -1}} }

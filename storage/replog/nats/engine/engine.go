package engine

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

const (
	// listenTime is the time within which a server must listen, once it has read what it has stored.
	listenTime = 10 * time.Second
	// watchTime is the time between two looks whether the server still serves, and maxFailures how often in
	// a row it may not.
	watchTime   = time.Second
	maxFailures = 3
)

// Engine is a server that runs.
type Engine struct {
	server *natsserver.Server
	log    *logger
	folder io.Closer     // lock of the data folder
	ending chan struct{} // closed when Shutdown or Kill begins
	once   sync.Once
}

// Start starts a server. It returns when the server listens, whether or not the others do.
func Start(o Options) (*Engine, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	n, err := o.nats()
	if err != nil {
		return nil, err
	}
	folder, err := lock(o.Dir)
	if err != nil {
		return nil, err
	}
	s, err := natsserver.NewServer(n)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("configure the engine: %w", err), folder.Close())
	}
	e := &Engine{server: s, log: &logger{to: o.Log, failed: make(chan error, 1)}, folder: folder, ending: make(chan struct{})}
	s.SetLoggerV2(e.log, false, false, false)
	s.Start()
	listens := false
	for began := time.Now(); !listens && len(e.log.failed) == 0 && time.Since(began) < listenTime; {
		listens = s.ReadyForConnections(50 * time.Millisecond)
	}
	select {
	case err = <-e.log.failed:
	default:
		if !listens {
			err = fmt.Errorf("the engine does not listen after %v", listenTime)
		}
	}
	if err != nil {
		e.Kill()
		return nil, err
	}
	go e.watch()
	return e, nil
}

// watch reports a server that has served and does not any more: NATS turns JetStream off for good when the disk is
// full or cannot be written, and goes on without it.
func (e *Engine) watch() {
	tick := time.NewTicker(watchTime)
	defer tick.Stop()
	served, failures := false, 0
	for failures < maxFailures {
		select {
		case <-tick.C:
		case <-e.ending:
			return
		}
		switch err := e.Serves(); {
		case err == nil:
			served, failures = true, 0
		case served:
			if failures++; failures == maxFailures {
				e.log.fail(fmt.Errorf("it stores nothing any more, see the messages before: %w", err))
			}
		}
	}
}

// Address returns the address at which clients reach the server.
func (e *Engine) Address() net.Addr { return e.server.Addr() }

// Failed receives the error that makes the server useless.
func (e *Engine) Failed() <-chan error { return e.log.failed }

// Serves returns an error unless the server itself works, whatever the others do.
func (e *Engine) Serves() error { return e.health(natsserver.HealthzOptions{JSEnabledOnly: true}) }

// Current returns an error unless the server is one of a majority of its cluster and has what the others
// have.
func (e *Engine) Current() error { return e.health(natsserver.HealthzOptions{}) }

func (e *Engine) health(o natsserver.HealthzOptions) error {
	if h := e.server.Healthz(&o); h.StatusCode != http.StatusOK && h.Status != "ok" {
		return errors.New(h.Error)
	}
	return nil
}

// Shutdown stops the server without a gap for its clients: it hands over what it leads, and then
// closes connections.
func (e *Engine) Shutdown() {
	e.end(e.server.LameDuckShutdown)
}

// Kill stops the server at once.
func (e *Engine) Kill() { e.end(e.server.Shutdown) }

func (e *Engine) end(shutdown func()) {
	e.once.Do(func() {
		close(e.ending)
		shutdown()
		e.server.WaitForShutdown()
		_ = e.folder.Close() // gives the lock back in any case
	})
}

// logger writes what the NATS server logs to our log.
type logger struct {
	to     *slog.Logger
	failed chan error // gets the first error that makes the server useless
}

func (l *logger) Noticef(format string, args ...any) { l.to.Info(fmt.Sprintf(format, args...)) }
func (l *logger) Errorf(format string, args ...any)  { l.to.Error(fmt.Sprintf(format, args...)) }
func (l *logger) Debugf(format string, args ...any)  { l.to.Debug(fmt.Sprintf(format, args...)) }
func (l *logger) Tracef(format string, args ...any)  { l.to.Debug(fmt.Sprintf(format, args...)) }

// Warnf does not warn of the user of the clients, which has no password by design: TLS or the loopback address
// decides who is a client.
func (l *logger) Warnf(format string, args ...any) {
	if format != "Plaintext passwords detected, use nkeys or bcrypt" {
		l.to.Warn(fmt.Sprintf(format, args...))
	}
}

// Fatalf records an error. It does not end the process, as loggers of NATS do.
func (l *logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	l.to.Error(err.Error())
	l.fail(err)
}

func (l *logger) fail(err error) {
	select {
	case l.failed <- err:
	default:
	}
}

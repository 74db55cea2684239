package server

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
)

// notifier reports the state of the server to the service manager, as sd_notify(3) describes it. Its socket is
// open before the process gives up the right to open one. A nil notifier has no service manager.
type notifier struct {
	conn     net.Conn
	watchdog time.Duration // within which the manager wants to hear of the server; 0: it does not
	log      *slog.Logger
	served   atomic.Bool // ready was called
}

// newNotifier returns the notifier for the service manager that has started the process, nil if none has.
func newNotifier(env environ.Environment, log *slog.Logger) *notifier {
	path := env["NOTIFY_SOCKET"]
	if path == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		log.Warn("cannot reach the service manager", "socket", path, "error", err)
		return nil
	}
	n := &notifier{conn: conn, log: log}
	pid := env["WATCHDOG_PID"]
	if usec, err := strconv.ParseInt(env["WATCHDOG_USEC"], 10, 64); err == nil && usec > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		n.watchdog = time.Duration(usec) * time.Microsecond
	}
	return n
}

// send sends a state, which is lost if the service manager is.
func (n *notifier) send(state string) {
	if n == nil {
		return
	}
	if _, err := n.conn.Write([]byte(state)); err != nil {
		n.log.Warn("cannot report the state of the server to the service manager", "error", err)
	}
}

// ready says that the server serves at an address.
func (n *notifier) ready(address string) {
	if n != nil {
		n.served.Store(true)
		n.send("READY=1\nSTATUS=serving at " + address)
	}
}

// reloading says that the server reads files again, until done is called. A server that is starting has not said yet that it
// is ready, and says nothing.
func (n *notifier) reloading() (done func()) {
	if n == nil || !n.served.Load() {
		return func() {}
	}
	n.send("RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(monotonic().Microseconds(), 10))
	return func() { n.send("READY=1") }
}

func (n *notifier) close() {
	if n != nil {
		_ = n.conn.Close() // nothing is buffered
	}
}

// maintain does what the service manager and changed files ask for until ctx ends.
func (s *server) maintain(ctx context.Context) {
	if s.certificate != nil {
		go s.certificate.watch(ctx)
	}
	if s.notifier != nil && s.notifier.watchdog > 0 {
		go s.feedWatchdog(ctx)
	}
	if s.hangups != nil {
		go s.reloadOnSignal(ctx)
	}
}

// feedWatchdog reports to the service manager that the server works, for as long as its store answers.
func (s *server) feedWatchdog(ctx context.Context) {
	ticker := time.NewTicker(s.notifier.watchdog / 2)
	defer ticker.Stop()
	for {
		if s.node != nil {
			s.node.answers()
		} else {
			_, _ = s.store.Setting(settingAdminToken) // an error is an answer, too
		}
		s.notifier.send("WATCHDOG=1")
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

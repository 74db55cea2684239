package egress

import (
	"strings"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

var _ runtime.EgressRecorder = (*network)(nil)

// Calls implements [runtime.EgressRecorder].
func (w *network) Calls() (calls []runtime.EgressCall, lost int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls, w.callsLost
}

// note notes a connection. The caller holds the lock.
func (w *network) note(c runtime.EgressCall) {
	switch {
	case w.networks.calls == 0:
	case len(w.calls) < w.networks.calls:
		w.calls = append(w.calls, c)
	default:
		w.callsLost++
	}
}

// noted returns the host as it is noted: a name that the allow list has only by a rule such as *.example.com is that
// rule, because the function chooses the rest of the name. The caller holds the lock.
func (w *network) noted(host string) string {
	noted := host
	for _, r := range w.rules {
		switch name := r.Name(); {
		case name == host:
			return host
		case noted == host && r.AllowsName(host):
			noted = name
		}
	}
	return noted
}

// failed notes an attempt to connect, or to look up a name, that has failed.
func (w *network) failed(t target, began time.Time, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note(runtime.EgressCall{Network: t.network, Host: w.noted(t.host), Port: t.to.Port(), Began: began, Ended: time.Now(), Failure: runtime.CodeOf(err)})
}

// call returns a connection that is closed, as it is noted. The caller holds the lock of the network.
func (c *connection) call() runtime.EgressCall {
	return runtime.EgressCall{
		Network: c.target.network, Host: c.network.noted(c.target.host), Port: c.target.to.Port(), TLS: c.tls.Load(), Began: c.began, Ended: time.Now(),
		Connecting: c.opened.Sub(c.began), Sent: c.sent.Load(), Received: c.received.Load(),
	}
}

// markTLS notes that TLS asks for a server over some connection to it: the run has the bytes in memory.
func (w *network) markTLS(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.connections {
		if strings.EqualFold(c.target.host, name) {
			c.tls.Store(true)
		}
	}
}

package lend

import (
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// helloTime bounds how long a node may take for each of the first messages.
	helloTime = 3 * time.Second
	// askTime is the time between two questions of the owner for a grant, and grantTime that from a question for which its
	// grant is valid.
	askTime   = time.Second
	grantTime = 3 * time.Second
	// soonTime is the time between two questions if runs want more than is granted. It is doubled each time there is none, up to
	// askTime.
	soonTime = 20 * time.Millisecond
	// silenceTime is the time after which a connection counts as lost on which nothing comes, or nothing can be sent.
	silenceTime = 10 * time.Second
	// pieceBytes is how much of a message must be sent within that time, in bytes.
	pieceBytes = 64 << 10
	// messageBytes is the size of a message from which on nothing is added to it, in bytes, and messageParts the number of parts.
	messageBytes = 1 << 20
	messageParts = 256
	// partBytes is what a part of a message takes beside its texts, in bytes, about.
	partBytes = 512
	// maxText bounds the text of an error, in bytes.
	maxText = 4 << 10
)

// key names an attempt of an execution.
type key struct {
	Execution string // ID
	Attempt   int
}

// hello is the first message of an owner.
type hello struct {
	Owner string // name of the node
	Epoch uint64 // since which it owns the data
}

// offer is the answer to a hello.
type offer struct {
	Refused string // why nothing is offered, and nothing will be run; empty: the node lends
	Server  string // a name of this Server that no other one has, also of the same node
	Runs    []offered
}

// offered is a run that a node has begun before.
type offered struct {
	Key     key
	Tenant  runtime.Tenant
	Version uint64
	Bytes   int64
	Started time.Time
}

// order is a message of an owner after its hello.
type order struct {
	Asks    uint64 // the number of a question for a grant, from 1; 0: none
	Calls   []call
	Takes   []take
	Cancels []key
	Acks    []key // ends that the owner has recorded, or does not want
	Drops   []key // runs that are offered, and that the owner does not want, and those of Acks that it has recorded
	Leaves  []key // runs that the owner has taken, and whose ends are for the next one
	Noted   bool  // the owner knows that the node begins nothing more: no calls come behind this
}

// call is a run to begin.
type call struct {
	Tenant     runtime.Tenant
	FunctionID string
	Version    uint64
	Info       runtime.RunInfo
	Args       []byte
	Env        []byte
	Limits     runtime.Limits
	Pinned     bool
	Bytes      int64 // of memory, that it may use
	LogLimit   int64 // bytes of output
}

func (c *call) key() key { return key{c.Info.Execution, c.Info.Attempt} }

// size returns the size of a call in a message, in bytes.
func (c *call) size() int64 { return int64(len(c.Args)+len(c.Env)) + partBytes }

// take asks for the output of a run that was offered, from an offset on, and for its end.
type take struct {
	Key  key
	From int
}

// report is a message of a node after its offer.
type report struct {
	Answers uint64 // the number of the question that the grant answers; 0: there is no grant
	Grant   grant
	Stops   bool // the node begins nothing more
	Logs    []output
	Ends    []end
}

// grant is what an owner may have on a node at once.
type grant struct {
	Bytes int64
	Runs  int
}

// output is what a run has written.
type output struct {
	Key  key
	Logs runtime.Logs
}

// end is the end of a run. The logs of the outcome are the output that was not sent before.
type end struct {
	Key     key
	Outcome runtime.Outcome
	Fault   *fault // nil: there was no error
}

// fault is an error that crosses the connection.
type fault struct {
	Unused, Unfit, WorkerLost, PlaceLost bool

	Code              runtime.Code
	Op, Message, Hint string
	RetryAfter        time.Duration
	Cause             string
}

var (
	lostFault   = &fault{PlaceLost: true}
	unusedFault = &fault{Unused: true}
)

// newFault returns what is sent of an error, nil for nil.
func newFault(err error) *fault {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, runtime.ErrPlaceUnused):
		return &fault{Unused: true, Unfit: errors.Is(err, runtime.ErrPlaceUnfit)}
	}
	coded, ok := runtime.AsError(err)
	if !ok {
		coded = runtime.Internal("lend.run", err)
	}
	f := &fault{
		WorkerLost: errors.Is(err, runtime.ErrWorkerLost), Code: coded.Code, Op: coded.Op, Message: cut(coded.Message), Hint: cut(coded.Hint),
		RetryAfter: coded.RetryAfter,
	}
	if coded.Err != nil {
		f.Cause = cut(coded.Err.Error())
	}
	return f
}

func cut(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxText)], "") }

// error returns the error that was sent, nil for nil.
func (f *fault) error() error {
	switch {
	case f == nil:
		return nil
	case f.Unfit:
		return runtime.ErrPlaceUnfit
	case f.Unused:
		return runtime.ErrPlaceUnused
	case f.PlaceLost:
		return runtime.ErrPlaceLost
	}
	e := &runtime.Error{Code: f.Code, Op: f.Op, Message: f.Message, Hint: f.Hint, RetryAfter: f.RetryAfter}
	if f.Cause != "" {
		e.Err = errors.New(f.Cause)
	}
	if f.WorkerLost {
		e.Err = runtime.ErrWorkerLost
	}
	return e
}

// valid reports whether output can be used: its marks are in order, within it, and of a stream.
func valid(l *runtime.Logs) bool {
	last := -1
	for i, m := range l.Marks {
		if i == 0 && m.Offset != 0 || m.Offset <= last || m.Offset >= len(l.Data) || m.Stream < 1 || m.Stream > 2 {
			return false
		}
		last = m.Offset
	}
	return len(l.Marks) > 0 || len(l.Data) == 0
}

// pacedConn is a connection on which time is bounded for each piece of a message, and not for a whole one: a large one that
// needs long on a slow path would never arrive.
type pacedConn struct {
	net.Conn
	limit time.Duration
	heard atomic.Pointer[time.Time] // when the other side has sent something; nil: it has not
}

// SetReadDeadline does nothing: Read sets it.
func (c *pacedConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: Write sets it.
func (c *pacedConn) SetWriteDeadline(time.Time) error { return nil }

func (c *pacedConn) Read(b []byte) (int, error) {
	if err := c.Conn.SetReadDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(b)
	if n > 0 {
		now := time.Now()
		c.heard.Store(&now)
	}
	return n, err
}

func (c *pacedConn) Write(b []byte) (n int, err error) {
	for len(b) > n && err == nil {
		if err = c.Conn.SetWriteDeadline(time.Now().Add(c.limit)); err != nil {
			break
		}
		var sent int
		sent, err = c.Conn.Write(b[n:min(n+pieceBytes, len(b))])
		n += sent
	}
	return n, err
}

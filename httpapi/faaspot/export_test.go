package faaspot

import (
	"bufio"
	"net"
	"time"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	MaxList         = maxList
	MaxOutputs      = maxOutputs
	MaxExecutions   = maxExecutions
	MaxEventText    = maxEventText
	MaxFunctionBody = maxFunctionBody
)

var (
	AppendMillis  = appendMillis
	MakeCursor    = makeCursor
	OpenCursor    = openCursor
	Quote         = quote
	StatusOfState = statusOfState
)

// Follower sends pages of logs to a connection.
type Follower struct{ f follower }

// NewFollower returns a Follower that writes to out.
func NewFollower(conn net.Conn, out *bufio.Writer) *Follower {
	return &Follower{follower{api: &api{Host: &web.Host{}}, eventStream: eventStream{conn: conn, out: out, patience: time.Second}}}
}

// SendPage sends a page.
func (f *Follower) SendPage(page runtime.LogPage) error { return f.f.sendPage(page) }

// From returns the position after the last page.
func (f *Follower) From() runtime.LogPosition { return f.f.from }

// SendLiveList sends the first executions of a live list to a client that has a second to read them, and
// returns how much memory the list still holds.
func SendLiveList(conn net.Conn, out *bufio.Writer, e Engine, limit int) (held int64, err error) {
	host := web.NewHost(nil, "", time.Second, memory.New(1<<30, nil))
	defer host.Cancel()
	l := liveList{
		eventStream: eventStream{conn: conn, out: out, patience: host.WriteTimeout}, api: &api{Host: host, engine: func() Engine { return e }},
		who: &runtime.Identity{}, limit: limit,
	}
	err = l.sendList()
	return host.Followers.Held(), err
}

// ErrClientGone is the error of a stream whose client does not read.
var ErrClientGone = errClientGone

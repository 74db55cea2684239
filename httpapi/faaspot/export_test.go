package faaspot

import (
	"bufio"
	"net"
	"time"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
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
	return &Follower{follower{api: &api{Host: &web.Host{}}, eventStream: eventStream{conn, out, time.Second}}}
}

// SendPage sends a page.
func (f *Follower) SendPage(page runtime.LogPage) error { return f.f.sendPage(page) }

// From returns the position after the last page.
func (f *Follower) From() runtime.LogPosition { return f.f.from }

package faaspot

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// streamTime bounds how long a stream of events lasts, and how long a request waits for the
	// background run that it has started. A client that wants more connects again.
	streamTime = runtime.MaxBlocking
	// heartbeat bounds how long a stream is silent. Only a write shows that a client has left.
	heartbeat = 10 * time.Second
)

// comment is a line that clients skip.
var comment = []byte(": \n\n")

// errClientGone reports that the client has closed the connection, or does not read.
var errClientGone = errors.New("the client is gone")

// eventStream sends server-sent events to one client.
type eventStream struct {
	conn     net.Conn
	out      *bufio.Writer
	patience time.Duration // that the client has for each write
	by       time.Time     // when the client must have read all that is written now; zero: there is no such time
}

// stream answers with the events that run sends, on a goroutine of the library. leave is called at the
// end. what names the stream in the log.
func (a *api) stream(ctx *fasthttp.RequestCtx, leave func(), what slog.Attr, run func(eventStream) error) {
	conn := ctx.Conn()
	web.StartEvents(ctx)
	if ctx.IsHead() {
		leave()
		ctx.Response.SkipBody = true
		return
	}
	ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
		defer leave()
		// The library calls this on a goroutine of its own, where no other code recovers.
		defer func() {
			if p := recover(); p != nil {
				a.Log.Error("a stream of events panicked", what, slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			}
		}()
		err := run(eventStream{conn: conn, out: w, patience: a.WriteTimeout})
		// When the server shuts down, or is unavailable for a while, the client connects
		// again.
		if err != nil && !errors.Is(err, errClientGone) && runtime.CodeOf(err) != runtime.CodeUnavailable {
			a.Log.Error("a stream of events broke off", what, slog.Any("err", err))
		}
	})
}

// sendEvent sends an event without an id.
func (s *eventStream) sendEvent(name string, data any) error {
	text, err := web.EncodeJSON(data)
	if err != nil {
		return runtime.Internal("httpapi.encode", err)
	}
	return s.send(fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, text))
}

// send writes text, which is flushed later, or once there is enough of it. The client has the whole
// patience for each call, unless all of it must be read by a time.
func (s *eventStream) send(text []byte) error {
	deadline := s.by
	if deadline.IsZero() {
		deadline = time.Now().Add(s.patience)
	}
	if err := s.conn.SetWriteDeadline(deadline); err != nil {
		return errClientGone
	}
	if _, err := s.out.Write(text); err != nil {
		return errClientGone
	}
	return nil
}

func (s *eventStream) flush() error {
	if err := s.out.Flush(); err != nil {
		return errClientGone
	}
	return nil
}

package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/faaspot/faaspot/httpapi/wire"
)

// silence is how long a stream of events may be silent before the client closes its connection. The
// server writes at least every 10 s.
const silence = 35 * time.Second

// Followed has the callbacks of [Client.Follow]. An error of a callback ends it.
type Followed struct {
	// Entry is called with what the run writes.
	Entry func(LogEntry) error
	// Attempt, if set, is called when another attempt begins. Earlier entries are from the
	// attempt before.
	Attempt func(number int) error
	// OnError, if set, is called with the error each time the connection is lost.
	OnError func(error)
}

// Follow calls f with the logs of an execution while the run writes them, from the beginning of
// the latest attempt, and returns the execution once it is done, without an output above 1 KiB.
// It resumes where it was when the connection is lost, and survives a server that is unreachable
// for up to a minute. only restricts it to one stream, unless it is empty.
func (c *Client) Follow(ctx context.Context, id string, only Stream, f Followed) (Execution, error) {
	s := following{client: c, path: logsPath(id, url.Values{"follow": {"1"}}, only), Followed: f}
	again := retrier{OnError: f.OnError}
	for {
		began := time.Now()
		s.heard = false
		err := s.connect(ctx)
		switch {
		case s.stop != nil:
			return Execution{}, s.stop
		case s.end != nil:
			return *s.end, nil
		}
		if s.heard {
			again.fine()
		}
		if err != nil {
			err = again.failed(ctx, err)
		} else if early := leastEvery - time.Since(began); early > 0 {
			// A server that is about to stop ends a stream as soon as it begins.
			err = pause(ctx, early)
		}
		if err != nil {
			return Execution{}, err
		}
	}
}

// following is the state of a Follow.
type following struct {
	client *Client
	path   string
	Followed

	last    string // id of the last event that had one
	attempt int    // latest attempt that was announced
	heard   bool   // whether this connection has received anything
	stop    error  // of a callback
	end     *Execution
}

// connect opens a stream and handles its events until it ends.
func (s *following) connect(parent context.Context) error {
	ctx, cut := context.WithCancelCause(parent)
	defer cut(nil)
	watchdog := time.AfterFunc(silence, func() { cut(s.client.silent()) })
	defer watchdog.Stop()

	r := request{method: http.MethodGet, path: s.path, accept: mediaEvents}
	if s.last != "" {
		r.header = map[string]string{"Last-Event-ID": s.last}
	}
	began := time.Now()
	resp, err := s.client.open(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		data, err := s.client.readAll(ctx, resp)
		if err != nil {
			return err
		}
		s.client.traceResponse(resp, len(data), time.Since(began))
		return s.client.refused(resp, data)
	}
	if media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); media != mediaEvents {
		return s.client.foreign(resp, "it is not a stream of events")
	}
	s.client.traceResponse(resp, 0, time.Since(began))
	events := newEventReader(listener{resp.Body, func() {
		s.heard = true
		watchdog.Reset(silence)
	}})
	for {
		watchdog.Reset(silence)
		e, err := events.next()
		watchdog.Stop() // a callback may block, such as on a full pipe
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, bufio.ErrTooLong):
			return s.client.unexpected(fmt.Errorf("a line has more than %d bytes", maxLine))
		case err != nil:
			return s.client.unreachable(ctx, err)
		}
		if err := s.handle(e); err != nil || s.end != nil || s.stop != nil {
			return err
		}
	}
}

// handle handles one event. It ignores unknown names, which a newer server may send.
func (s *following) handle(e event) error {
	decode := func(v any) error {
		if err := json.Unmarshal([]byte(e.data), v); err != nil {
			return s.client.unexpected(fmt.Errorf("event %s: %w", e.name, err))
		}
		return nil
	}
	switch e.name {
	case "log":
		var entry LogEntry
		if err := decode(&entry); err != nil {
			return err
		}
		s.stop = s.Entry(entry)
	case "attempt":
		var a wire.AttemptEvent
		if err := decode(&a); err != nil {
			return err
		}
		// The server repeats it if the connection was lost right after it.
		if a.Attempt != s.attempt && s.Attempt != nil {
			s.stop = s.Attempt(a.Attempt)
		}
		s.attempt = a.Attempt
	case "end":
		var w wire.Execution[Moment]
		if err := decode(&w); err != nil {
			return err
		}
		x, err := s.client.toExecution(&w)
		if err != nil {
			return err
		}
		s.end = &x
	}
	if e.id != "" {
		s.last = e.id
	}
	return nil
}

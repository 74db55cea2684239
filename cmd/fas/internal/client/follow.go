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
)

// silence is how long a stream of events may be silent before its connection is
// taken for dead: the server says something every 10 s.
const silence = 35 * time.Second

// Followed is what somebody wants to hear who follows the logs of an execution.
// An error ends the following.
type Followed struct {
	// Entry is told what was written.
	Entry func(LogEntry) error
	// Attempt, if set, is told that another attempt begins: what was told before
	// is of the one before.
	Attempt func(number int) error
	// Trouble, if set, is told why the server cannot be heard at present.
	Trouble func(error)
}

// Follow tells what an execution writes while it writes it, from the beginning
// of its latest attempt, and gives the execution once it is done; an output
// above 1 KiB is left out. It connects again when the connection is lost, where
// it was, and goes on while the server is away for up to a minute. With only,
// it tells one stream.
func (c *Client) Follow(ctx context.Context, id string, only Stream, f Followed) (Execution, error) {
	s := following{client: c, path: logsPath(id, url.Values{"follow": {"1"}}, only), Followed: f}
	again := retrier{Trouble: f.Trouble}
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
	attempt int    // the last one that was told of
	heard   bool   // something came over this connection
	stop    error  // who follows wants no more
	end     *Execution
}

// connect opens a stream and tells of its events until it ends.
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
		watchdog.Stop() // who is told may take time, as a full pipe does
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, bufio.ErrTooLong):
			return s.client.unexpected(fmt.Errorf("a line has more than %d bytes", maxLine))
		case err != nil:
			return s.client.unreachable(ctx, err)
		}
		if err := s.tell(e); err != nil || s.end != nil || s.stop != nil {
			return err
		}
	}
}

// tell tells of one event. Those of names that are not known are of a later
// server.
func (s *following) tell(e event) error {
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
		var a struct{ Attempt int }
		if err := decode(&a); err != nil {
			return err
		}
		// It comes again after a connection that was lost right behind it.
		if a.Attempt != s.attempt && s.Attempt != nil {
			s.stop = s.Attempt(a.Attempt)
		}
		s.attempt = a.Attempt
	case "end":
		var w wireExecution
		if err := decode(&w); err != nil {
			return err
		}
		x := w.execution()
		s.end = &x
	}
	if e.id != "" {
		s.last = e.id
	}
	return nil
}

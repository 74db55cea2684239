package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/faaspot/faaspot/httpapi/wire"
)

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
// for up to a minute.
func (c *Client) Follow(ctx context.Context, id string, o LogOptions, f Followed) (Execution, error) {
	s := following{client: c, path: logsPath(id, url.Values{"follow": {"1"}}, o), Followed: f}
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
func (s *following) connect(ctx context.Context) error {
	return s.client.stream(ctx, s.path, s.last, func() { s.heard = true }, func(e event) (done bool, err error) {
		err = s.handle(e)
		return s.end != nil || s.stop != nil, err
	})
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

package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// silence is how long a stream of events may be silent before the client closes its connection. The
// server writes at least every 10 s.
const silence = 35 * time.Second

// stream opens a stream of events and calls handle with each of them, until handle is done or fails, or
// the stream ends. It calls heard whenever something has arrived. last is the id of the last event that
// the client has, empty if there is none.
func (c *Client) stream(parent context.Context, path, last string, heard func(), handle func(event) (done bool, err error)) error {
	ctx, cut := context.WithCancelCause(parent)
	defer cut(nil)
	watchdog := time.AfterFunc(silence, func() { cut(c.silent()) })
	defer watchdog.Stop()

	r := request{method: http.MethodGet, path: path, accept: mediaEvents}
	if last != "" {
		r.header = map[string]string{"Last-Event-ID": last}
	}
	began := time.Now()
	resp, err := c.openOK(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); media != mediaEvents {
		return c.foreign(resp, "it is not a stream of events")
	}
	c.traceResponse(resp, 0, time.Since(began))
	events := newEventReader(listener{resp.Body, func() {
		heard()
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
			return c.unexpected(fmt.Errorf("a line has more than %d bytes", maxLine))
		case err != nil:
			return c.unreachable(ctx, err)
		}
		if done, err := handle(e); err != nil || done {
			return err
		}
	}
}

package httpapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// streamTime bounds how long a stream of events lasts; a client connects
	// again. It is the longest that a run may take.
	streamTime = runtime.MaxTimeout
	// heartbeat is for how long a stream may be silent. A client that is gone
	// shows only when something is written.
	heartbeat = 10 * time.Second
)

// followLogs streams what an execution writes as server-sent events, see
// docs/http-api.md.
func (s *Server) followLogs(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, id string, only stream) error {
	from, err := lastEvent(&ctx.Request.Header)
	if err != nil {
		return err
	}
	// What can be said with a status is said before the stream begins.
	page, err := s.engine().GetLogs(s.runs, tenant, id, from)
	if err != nil {
		return err
	}
	waits, leave, err := s.wait(streamTime)
	if err != nil {
		return err
	}
	f := &follower{
		server: s, tenant: tenant, id: id, only: only, base: s.baseURL(ctx),
		conn: ctx.Conn(), from: from,
	}
	ctx.Response.Header.SetContentTypeBytes(contentTypeEvents)
	ctx.Response.Header.SetCanonical(headerNosniff, valueNosniff)
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	// Proxies that collect answers would hold back the events (nginx).
	ctx.Response.Header.Set("X-Accel-Buffering", "no")
	if ctx.IsHead() {
		leave()
		ctx.Response.SkipBody = true
		return nil
	}
	ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
		defer leave()
		// The library calls this on a goroutine of its own, where nothing stops a
		// panic.
		defer func() {
			if p := recover(); p != nil {
				s.opts.Log.Error("a stream of logs panicked", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			}
		}()
		f.out = w
		err := f.stream(waits, page)
		// When the server shuts down, or cannot go on for a while, the client
		// connects again.
		if err != nil && !errors.Is(err, errClientGone) && runtime.CodeOf(err) != runtime.CodeUnavailable {
			s.opts.Log.Error("a stream of logs broke off", slog.String("execution", id), slog.Any("err", err))
		}
	})
	return nil
}

var contentTypeEvents = []byte("text/event-stream")

// lastEvent reads where a client was that comes again: ids of events are the
// attempt and the offset behind what the event told.
func lastEvent(h *fasthttp.RequestHeader) (from runtime.LogPosition, err error) {
	text := string(h.Peek("Last-Event-ID"))
	if text == "" {
		return from, nil
	}
	attempt, offset, _ := strings.Cut(text, ".")
	if from.Attempt, err = strconv.Atoi(attempt); err == nil {
		from.Offset, err = strconv.Atoi(offset)
	}
	if err != nil || from.Attempt < 0 || from.Offset < 0 {
		return runtime.LogPosition{}, runtime.Errorf(runtime.CodeInvalidArgument, "Last-Event-ID is not an id of an event of this stream").
			WithHint("send it as it came, or leave it out to begin anew")
	}
	return from, nil
}

// follower tells one client of the logs of one execution.
type follower struct {
	server *Server
	tenant runtime.Tenant
	id     string
	only   stream // empty: both
	base   string // of URLs
	conn   net.Conn
	out    *bufio.Writer

	from runtime.LogPosition // behind what was fetched
	// carry is the beginning of a character, fetched but not told: the rest of
	// it may be on the next page.
	carry       []byte
	carryStream stream
}

// comment is what clients skip.
const comment = ": \n\n"

// errClientGone says that nobody reads any more.
var errClientGone = errors.New("the client is gone")

// stream tells what there is from page on, until the execution is done, the
// client is gone or ctx ends.
func (f *follower) stream(ctx context.Context, page runtime.LogPage) error {
	// The answer's header goes with the first bytes: who follows a run that writes
	// nothing is to know that it is connected.
	if err := f.send(comment); err != nil {
		return err
	}
	for {
		if err := f.tell(page); err != nil {
			return err
		}
		if page.State.Terminal() && len(page.Logs.Data) == 0 {
			return f.end()
		}
		if ctx.Err() != nil {
			return nil
		}
		quiet, cancel := context.WithTimeout(ctx, heartbeat)
		next, err := f.server.engine().FollowLogs(quiet, f.tenant, f.id, f.from)
		silent := quiet.Err() != nil && ctx.Err() == nil
		cancel()
		if err != nil {
			return err
		}
		page = next
		if silent {
			if err := f.send(comment); err != nil {
				return err
			}
		}
	}
}

// tell sends what a page has.
func (f *follower) tell(page runtime.LogPage) error {
	if f.from.Attempt != 0 && page.Attempt != f.from.Attempt {
		f.carry = nil
		if err := f.event("attempt", "", attemptEvent{page.Attempt}); err != nil {
			return err
		}
	}
	offset := page.Next.Offset - len(page.Logs.Data)
	var failed error
	stretches(page.Logs, "", func(s stream, text []byte) {
		if failed != nil {
			return
		}
		if s == f.carryStream {
			text = append(f.carry, text...)
			offset -= len(f.carry)
		} else if len(f.carry) > 0 { // its rest never came
			failed = f.entry(f.carryStream, f.carry, runtime.LogPosition{Attempt: page.Attempt, Offset: offset})
		}
		f.carry = nil
		for len(text) > 0 && failed == nil {
			piece := text[:min(len(text), maxEventText)]
			piece = piece[:len(piece)-partialRune(piece)]
			if len(piece) == 0 { // all of it is the beginning of a character
				f.carry, f.carryStream = append([]byte(nil), text...), s
				offset += len(text)
				return
			}
			offset += len(piece)
			failed = f.entry(s, piece, runtime.LogPosition{Attempt: page.Attempt, Offset: offset})
			text = text[len(piece):]
		}
	})
	f.from = page.Next
	if failed == nil && page.State.Terminal() && len(page.Logs.Data) == 0 && len(f.carry) > 0 {
		failed = f.entry(f.carryStream, f.carry, f.from)
		f.carry = nil
	}
	return failed
}

// maxEventText is how many bytes one event tells at most. Clients read events
// line by line.
const maxEventText = 16 * runtime.KiB

// partialRune is how many bytes at the end of text are the beginning of a
// character that is not complete.
func partialRune(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if b := text[len(text)-n:]; utf8.RuneStart(b[0]) {
			if utf8.FullRune(b) {
				return 0
			}
			return n
		}
	}
	return 0
}

type attemptEvent struct {
	Attempt int `json:"attempt"`
}

// entry sends a log event; behind is the position behind its text.
func (f *follower) entry(s stream, text []byte, behind runtime.LogPosition) error {
	if f.only != "" && s != f.only {
		return nil
	}
	id := strconv.Itoa(behind.Attempt) + "." + strconv.Itoa(behind.Offset)
	return f.event("log", id, logEntry{s, validText(text)})
}

// end tells that the execution is done.
func (f *follower) end() error {
	x, err := f.server.engine().GetExecution(f.server.runs, f.tenant, f.id)
	if err != nil {
		return err
	}
	if len(x.Result) > runtime.ListedResult {
		x.Result = nil
	}
	return f.event("end", "", tellExecution(f.base, &x))
}

func (f *follower) event(name, id string, data any) error {
	text, err := encodeJSON(data)
	if err != nil {
		return runtime.Internal("httpapi.encode", err)
	}
	if id != "" {
		id = "id: " + id + "\n"
	}
	return f.send(fmt.Sprintf("event: %s\n%sdata: %s\n\n", name, id, text))
}

// send sends at once. Each time the client has the whole write timeout.
func (f *follower) send(text string) error {
	if err := f.conn.SetWriteDeadline(time.Now().Add(f.server.opts.WriteTimeout)); err != nil {
		return errClientGone
	}
	if _, err := f.out.WriteString(text); err != nil {
		return errClientGone
	}
	if err := f.out.Flush(); err != nil {
		return errClientGone
	}
	return nil
}

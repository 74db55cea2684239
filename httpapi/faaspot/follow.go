package faaspot

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// followPause is the time between two pages of a run that writes without a pause, so that many
	// followers of many small writes do not take the processors from runs.
	followPause = 50 * time.Millisecond
	// maxEventText bounds the log text in one event, in bytes. Clients read events line by
	// line.
	maxEventText = 16 * runtime.KiB
)

// followLogs streams the logs of an execution as server-sent events, see docs/http-api.md.
func (a *api) followLogs(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, id string, only wire.Stream, times bool) error {
	from, err := lastEvent(&ctx.Request.Header)
	if err != nil {
		return err
	}
	waits, leave, err := a.follow(ctx, tenant, id)
	if err != nil {
		return err
	}
	// Errors need a status, which the answer can only have before the stream begins.
	page, err := a.engine().GetLogs(a.Context(), tenant, id, from)
	if err != nil {
		leave()
		return err
	}
	base := a.URL(ctx)
	a.stream(ctx, leave, slog.String("execution", id), func(s eventStream) error {
		f := &follower{eventStream: s, api: a, tenant: tenant, id: id, only: only, times: times, base: base, from: from}
		return f.stream(waits, page)
	})
	return nil
}

// followerBytes is the memory of a request that follows logs, in bytes: a page of logs, an event with
// every byte escaped, buffers of the stream and of the library's pipe, and a second goroutine.
const followerBytes = 192 * runtime.KiB

// follow takes a place and the memory for a request that follows the logs of an execution.
func (a *api) follow(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, id string) (waits context.Context, leave func(), err error) {
	x, err := a.find(tenant, id)
	if err != nil {
		return nil, nil, err
	}
	waits, free, err := a.Wait(ctx, tenant, web.FunctionGroup(x.Function), streamTime)
	if err != nil {
		return nil, nil, err
	}
	if !a.Followers.TryTake(followerBytes) {
		free()
		return nil, nil, a.Followers.Refuse(followerBytes)
	}
	return waits, func() { free(); a.Followers.Give(followerBytes) }, nil
}

// lastEvent returns the position after the last event that a reconnecting client has received.
// The id of an event is the attempt, and the offset after the text of the event.
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
			WithHint("send it unchanged, or leave it out to start from the beginning")
	}
	return from, nil
}

// follower streams the logs of one execution to one client.
type follower struct {
	eventStream
	api    *api
	tenant runtime.Tenant
	id     string
	only   wire.Stream // empty: both
	times  bool
	base   string // of URLs

	from runtime.LogPosition // after what was read from the engine
	// partial is the beginning of a character that was read but not sent: the next page may
	// have the rest of it.
	partial   []byte
	partialOf stretch
	event     []byte // reused for each log event
}

// stream sends the logs from page on, until the execution is done, the client is gone or ctx
// ends.
func (f *follower) stream(ctx context.Context, page runtime.LogPage) error {
	// The header of the answer is sent with the first bytes. A client that follows a silent
	// run must see that it is connected.
	if err := f.send(comment); err != nil {
		return err
	}
	for {
		if err := f.sendPage(page); err != nil {
			return err
		}
		if page.State.Terminal() && len(page.Logs.Data) == 0 {
			return f.sendEnd()
		}
		if len(page.Logs.Data) > 0 && page.Next.Offset >= page.Size && !page.State.Terminal() {
			select {
			case <-time.After(followPause):
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		quiet, cancel := context.WithTimeout(ctx, heartbeat)
		next, err := f.api.engine().FollowLogs(quiet, f.tenant, f.id, f.from)
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

// sendPage sends the logs of a page.
func (f *follower) sendPage(page runtime.LogPage) error {
	if f.from.Attempt != 0 && page.Attempt != f.from.Attempt {
		f.partial = nil
		if err := f.sendEvent("attempt", wire.AttemptEvent{Attempt: page.Attempt}); err != nil {
			return err
		}
	}
	offset := page.Next.Offset - len(page.Logs.Data)
	var failed error
	stretches(page.Logs, f.times, func(s stretch, text []byte) {
		if failed != nil {
			return
		}
		if s.stream == f.partialOf.stream {
			text = append(f.partial, text...)
			offset -= len(f.partial)
		} else if len(f.partial) > 0 { // its rest never came
			failed = f.sendEntry(f.partialOf, f.partial, runtime.LogPosition{Attempt: page.Attempt, Offset: offset})
		}
		f.partial = nil
		for len(text) > 0 && failed == nil {
			piece := text[:min(len(text), maxEventText)]
			piece = piece[:len(piece)-partialRune(piece)]
			if len(piece) == 0 { // all of it is the beginning of a character
				f.partial, f.partialOf = append([]byte(nil), text...), s
				offset += len(text)
				return
			}
			offset += len(piece)
			failed = f.sendEntry(s, piece, runtime.LogPosition{Attempt: page.Attempt, Offset: offset})
			text = text[len(piece):]
		}
	})
	f.from = page.Next
	if failed == nil && page.State.Terminal() && len(page.Logs.Data) == 0 && len(f.partial) > 0 {
		failed = f.sendEntry(f.partialOf, f.partial, f.from)
		f.partial = nil
	}
	if failed != nil {
		return failed
	}
	return f.flush()
}

// partialRune returns the number of bytes at the end of text that begin an incomplete
// character.
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

// sendEntry sends a log event; after is the position after its text.
func (f *follower) sendEntry(s stretch, text []byte, after runtime.LogPosition) error {
	if f.only != "" && s.stream != f.only {
		return nil
	}
	// A function may change the stream with each byte, so this allocates nothing.
	e := append(f.event[:0], "event: log\nid: "...)
	e = append(strconv.AppendInt(e, int64(after.Attempt), 10), '.')
	e = append(strconv.AppendInt(e, int64(after.Offset), 10), "\ndata: "...)
	e = s.append(e)
	e = append(new(textEncoder).append(e, text), "\"}\n\n"...)
	f.event = e
	return f.send(e)
}

// sendEnd sends the execution, which is done.
func (f *follower) sendEnd() error {
	x, err := f.api.find(f.tenant, f.id)
	if err != nil {
		return err
	}
	if len(x.Result) > runtime.ListedResult {
		x.Result = nil
	}
	if err := f.sendEvent("end", renderExecution(f.base, &x)); err != nil {
		return err
	}
	return f.flush()
}

package faaspot

import (
	"bytes"
	"log/slog"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// streams are the names of the streams by their numbers in a [runtime.LogMark].
var streams = map[uint8]wire.Stream{1: wire.Stdout, 2: wire.Stderr}

// getLogs answers with the logs of an execution, or streams them while the run writes.
func (a *api) getLogs(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	query := ctx.QueryArgs()
	only := wire.Stream(query.Peek("stream"))
	if only != "" && only != wire.Stdout && only != wire.Stderr {
		return runtime.Errorf(runtime.CodeInvalidArgument, "stream must be stdout or stderr, or absent for both")
	}
	follow, err := web.BoolParam(query, "follow")
	if err != nil {
		return err
	}
	raw, err := parseFormat(query)
	if err != nil {
		return err
	}
	times, err := web.BoolParam(query, "times")
	if err != nil {
		return err
	}
	id := pathID(ctx)
	if err := a.checkSeen(ctx, tenant, id); err != nil {
		return err
	}
	switch {
	case follow && raw:
		return runtime.Errorf(runtime.CodeInvalidArgument, "follow streams events, which have no format").WithHint("leave out format")
	case times && raw:
		return runtime.Errorf(runtime.CodeInvalidArgument, "raw logs have no times").WithHint("leave out format or times")
	case follow:
		return a.followLogs(ctx, tenant, id, only, times)
	}
	if err := web.MemoryOf(ctx).Reserve(a.Context(), logReaderBytes); err != nil {
		return err
	}
	page, err := a.engine().GetLogs(a.Context(), tenant, id, runtime.LogPosition{})
	if err != nil {
		return err
	}
	r := &logReader{
		page: page, end: page.Size,
		turn: a.turnsOfStream(ctx, tenant),
		next: func(from runtime.LogPosition) (runtime.LogPage, error) {
			return a.engine().GetLogs(a.Context(), tenant, id, from)
		},
		fail: func(err error) {
			a.Log.Warn("a response with logs broke off", slog.String("execution", id), slog.Any("err", err))
		},
	}
	if raw {
		r.render = &rawRenderer{only: only}
		web.StartText(ctx)
	} else {
		head, err := web.EncodeJSON(wire.Logs[*string]{
			UUID:      id,
			Status:    statusOfState[page.State],
			Attempt:   page.Attempt,
			Truncated: page.Logs.Truncated,
			Entries:   []wire.LogEntry[*string]{},
		})
		if err != nil {
			return runtime.Internal("httpapi.encode", err)
		}
		r.render = &entryRenderer{only: only, times: times}
		r.out = bytes.TrimSuffix(head, []byte("]}"))
		web.StartJSON(ctx)
	}
	return r.respond(ctx)
}

// turnsOfStream is [web.Host.Turn] for a response that is a stream. The time that a turn is waited for is not part of
// the time that the client has to read the response.
func (a *api) turnsOfStream(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) (turn func() (give func(), err error)) {
	conn := ctx.Conn()
	var deadline time.Time
	return func() (give func(), err error) {
		asked := time.Now()
		if deadline.IsZero() { // the library has just set it
			deadline = asked.Add(a.WriteTimeout)
		}
		if give, err = a.Turn(tenant); err != nil || conn == nil || a.WriteTimeout <= 0 {
			return give, err
		}
		deadline = deadline.Add(time.Since(asked))
		if err := conn.SetWriteDeadline(deadline); err != nil {
			give()
			return nil, err
		}
		return give, nil
	}
}

// parseFormat reports whether ?format= requests the bytes that the run wrote.
func parseFormat(query *fasthttp.Args) (raw bool, err error) {
	switch string(query.Peek("format")) {
	case "", "json":
		return false, nil
	case "raw":
		return true, nil
	}
	return false, runtime.Errorf(runtime.CodeInvalidArgument, "format must be json or raw")
}

// stretch is what the output of a stretch of logs has in common.
type stretch struct {
	stream wire.Stream
	at     time.Time // when it was written; zero if that is not known, or not requested
}

// stretches calls visit for each stretch of the logs, in order. A stretch is of one stream, and with times
// of one time.
func stretches(l runtime.Logs, times bool, visit func(s stretch, text []byte)) {
	for i := 0; i < len(l.Marks); {
		mark := l.Marks[i]
		for i++; i < len(l.Marks) && !times && l.Marks[i].Stream == mark.Stream; {
			i++
		}
		end := len(l.Data)
		if i < len(l.Marks) {
			end = l.Marks[i].Offset
		}
		s := stretch{stream: streams[mark.Stream]}
		if times {
			s.at = l.Time(mark)
		}
		visit(s, l.Data[mark.Offset:end])
	}
}

// append appends the beginning of the JSON form of a stretch, up to its text: a [wire.LogEntry].
func (s *stretch) append(dst []byte) []byte {
	dst = append(append(append(dst, `{"stream":"`...), s.stream...), '"')
	if !s.at.IsZero() {
		dst = append(s.at.UTC().AppendFormat(append(dst, `,"time":"`...), timeFormat), '"')
	}
	return append(dst, `,"text":"`...)
}

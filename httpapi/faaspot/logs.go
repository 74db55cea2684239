package faaspot

import (
	"bytes"
	"log/slog"

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
	id := pathID(ctx)
	if err := a.checkSeen(ctx, tenant, id); err != nil {
		return err
	}
	if follow {
		if raw {
			return runtime.Errorf(runtime.CodeInvalidArgument, "follow streams events, which have no format").WithHint("leave out format")
		}
		return a.followLogs(ctx, tenant, id, only)
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
		head, err := web.EncodeJSON(wire.Logs{
			UUID:      id,
			Status:    statusOfState[page.State],
			Attempt:   page.Attempt,
			Truncated: page.Logs.Truncated,
			Entries:   []wire.LogEntry{},
		})
		if err != nil {
			return runtime.Internal("httpapi.encode", err)
		}
		r.render = &entryRenderer{only: only}
		r.out = bytes.TrimSuffix(head, []byte("]}"))
		web.StartJSON(ctx)
	}
	return r.respond(ctx)
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

// stretches calls visit for each stretch of the logs, in order; only for those of one stream,
// unless only is empty.
func stretches(l runtime.Logs, only wire.Stream, visit func(s wire.Stream, text []byte)) {
	for i, mark := range l.Marks {
		end := len(l.Data)
		if i+1 < len(l.Marks) {
			end = l.Marks[i+1].Offset
		}
		if name := streams[mark.Stream]; only == "" || only == name {
			visit(name, l.Data[mark.Offset:end])
		}
	}
}

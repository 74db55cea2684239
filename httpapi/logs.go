package httpapi

import (
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// stream is the name of one of the two streams that a run writes.
type stream string

// streams are the names by the numbers in a [runtime.LogMark].
var streams = map[uint8]stream{1: "stdout", 2: "stderr"}

// logEntry is a stretch of one stream.
type logEntry struct {
	Stream stream `json:"stream"`
	Text   string `json:"text"`
}

// executionLogs is what an execution wrote.
type executionLogs struct {
	UUID      string     `json:"uuid"`
	Status    status     `json:"status"`
	Attempt   int        `json:"attempt"`
	Truncated bool       `json:"truncated"`
	Entries   []logEntry `json:"entries"`
}

// getLogs answers what an execution wrote, or streams it while it is written.
func (s *Server) getLogs(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	query := ctx.QueryArgs()
	only := stream(query.Peek("stream"))
	if only != "" && only != streams[1] && only != streams[2] {
		return runtime.Errorf(runtime.CodeInvalidArgument, "stream must be stdout or stderr, or absent for both")
	}
	follow, err := parseBool(query, "follow")
	if err != nil {
		return err
	}
	raw, err := parseFormat(query)
	if err != nil {
		return err
	}
	id := executionID(ctx)
	if follow {
		if raw {
			return runtime.Errorf(runtime.CodeInvalidArgument, "follow streams events, which have no format").WithHint("leave out format")
		}
		return s.followLogs(ctx, tenant, id, only)
	}
	page, err := s.engine().GetLogs(s.runs, tenant, id, runtime.LogPosition{})
	if err != nil {
		return err
	}
	if raw {
		writeText(ctx, rawLogs(page.Logs, only))
		return nil
	}
	return writeValue(ctx, executionLogs{
		UUID:      id,
		Status:    statusOfState[page.State],
		Attempt:   page.Attempt,
		Truncated: page.Logs.Truncated,
		Entries:   logEntries(page.Logs, only),
	})
}

// parseFormat tells whether ?format= asks for the bytes as they are.
func parseFormat(query *fasthttp.Args) (raw bool, err error) {
	switch string(query.Peek("format")) {
	case "", "json":
		return false, nil
	case "raw":
		return true, nil
	}
	return false, runtime.Errorf(runtime.CodeInvalidArgument, "format must be json or raw")
}

// stretches calls visit with each stretch of what was written, in order; only
// those of one stream, if it is named.
func stretches(l runtime.Logs, only stream, visit func(s stream, text []byte)) {
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

func logEntries(l runtime.Logs, only stream) []logEntry {
	entries := []logEntry{}
	stretches(l, only, func(s stream, text []byte) {
		if n := len(entries); n > 0 && entries[n-1].Stream == s {
			entries[n-1].Text += validText(text)
			return
		}
		entries = append(entries, logEntry{s, validText(text)})
	})
	return entries
}

func rawLogs(l runtime.Logs, only stream) []byte {
	if only == "" {
		return l.Data
	}
	var out []byte
	stretches(l, only, func(_ stream, text []byte) { out = append(out, text...) })
	return out
}

// validText shows bytes that are not UTF-8 as U+FFFD.
func validText(text []byte) string { return strings.ToValidUTF8(string(text), "\ufffd") }

// writeText answers with text, which must not be used afterwards. Nobody is to
// take what a function wrote for a page.
func writeText(ctx *fasthttp.RequestCtx, text []byte) {
	ctx.Response.SetStatusCode(fasthttp.StatusOK)
	ctx.Response.Header.SetContentTypeBytes(contentTypeText)
	ctx.Response.Header.SetCanonical(headerNosniff, valueNosniff)
	ctx.Response.SetBodyRaw(text)
}

var contentTypeText = []byte("text/plain; charset=utf-8")

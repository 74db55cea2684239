package httpapi

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// maxExecutions bounds how many executions one answer lists. It is also the
// default, for clients of old know no pages.
const maxExecutions = runtime.MaxPage

// listExecutions answers a page of executions, newest first.
func (s *Server) listExecutions(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	query := ctx.QueryArgs()
	filter, err := parseFilter(query)
	if err != nil {
		return err
	}
	limit, err := parseLimit(query, maxExecutions)
	if err != nil {
		return err
	}
	from := ""
	if cursor := query.Peek("cursor"); len(cursor) > 0 {
		if from, err = openCursor(tenant, filter, string(cursor)); err != nil {
			return err
		}
	}
	page, err := s.engine().ListExecutions(s.runs, tenant, filter, runtime.PageRequest{After: from, Limit: limit})
	if err != nil {
		return err
	}
	if page.Next != "" {
		cursor, err := makeCursor(tenant, filter, page.Next)
		if err != nil {
			return err
		}
		ctx.Response.Header.Set(fasthttp.HeaderLink, nextExecutions(query, cursor))
	}
	base := s.baseURL(ctx)
	told := make([]execution, len(page.Items))
	for i := range page.Items {
		told[i] = tellExecution(base, &page.Items[i])
	}
	return writeValue(ctx, told)
}

// nextExecutions is a Link header (RFC 8288) to what the same query lists
// behind a cursor.
func nextExecutions(query *fasthttp.Args, cursor string) string {
	next := make(url.Values)
	for key, value := range query.All() {
		next.Add(string(key), string(value))
	}
	next.Set("cursor", cursor)
	return "</v1/executions/?" + next.Encode() + `>; rel="next"`
}

// parseFilter reads which executions are asked for.
func parseFilter(query *fasthttp.Args) (runtime.Filter, error) {
	var f runtime.Filter
	var err error
	f.Function = string(query.Peek("function"))
	if old := string(query.Peek("deployment")); old != "" {
		if f.Function != "" && f.Function != old {
			return f, runtime.Errorf(runtime.CodeInvalidArgument, "function and deployment name two functions").WithHint("give one of them")
		}
		f.Function = old
	}
	if f.Function != "" {
		if err := runtime.ValidateName(f.Function); err != nil {
			return f, err
		}
	}
	if f.TraceID, err = parseTrace(query); err != nil {
		return f, err
	}
	all, err := parseBool(query, "include_completed")
	if err != nil {
		return f, err
	}
	if f.TraceID != "" && !query.Has("include_completed") {
		all = true
	}
	switch words := string(query.Peek("status")); {
	case words != "":
		if f.States, err = parseStatuses(words); err != nil {
			return f, err
		}
	case !all:
		f.States = slices.Concat(statesOf[statusPending], statesOf[statusStarted])
	}
	if f.After, err = parseTime(query, "created_after"); err != nil {
		return f, err
	}
	f.Before, err = parseTime(query, "created_before")
	return f, err
}

// parseStatuses reads statuses with commas between, and gives their states in
// one order, however they were written.
func parseStatuses(words string) ([]runtime.State, error) {
	known := []status{statusPending, statusStarted, statusSuccess, statusFailed, statusCancelled}
	asked := make(map[status]bool)
	for word := range strings.SplitSeq(words, ",") {
		i := slices.IndexFunc(known, func(s status) bool { return strings.EqualFold(strings.TrimSpace(word), string(s)) })
		if i < 0 {
			return nil, runtime.Errorf(runtime.CodeInvalidArgument, "there is no status %q", word).
				WithHint("use Pending, Started, Success, Failed or Cancelled, with commas between")
		}
		asked[known[i]] = true
	}
	var states []runtime.State
	for _, status := range known {
		if asked[status] {
			states = append(states, statesOf[status]...)
		}
	}
	return states, nil
}

// parseTrace reads the id of a trace, empty if none is asked for.
func parseTrace(query *fasthttp.Args) (string, error) {
	if !query.Has("trace_id") {
		return "", nil
	}
	id := strings.ToLower(string(query.Peek("trace_id")))
	if !isHexID(id, traceDigits) {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "trace_id is not the id of a trace").
			WithHint("give 32 hexadecimal digits that are not all zero, as the header traceparent has them")
	}
	return id, nil
}

// parseBool reads True, true, 1 and their opposites. Absent means false.
func parseBool(query *fasthttp.Args, name string) (bool, error) {
	switch strings.ToLower(string(query.Peek(name))) {
	case "true", "1":
		return true, nil
	case "", "false", "0":
		return false, nil
	}
	return false, runtime.Errorf(runtime.CodeInvalidArgument, "%s must be True or False", name)
}

// parseTime reads a time as RFC 3339 or as this API writes it. Absent is the
// zero time.
func parseTime(query *fasthttp.Args, name string) (time.Time, error) {
	text := string(query.Peek(name))
	if text == "" {
		return time.Time{}, nil
	}
	// A + that was not percent-encoded has become a space.
	if i := strings.LastIndexByte(text, ' '); i > len("2006-01-02 15:04:05")-1 {
		text = text[:i] + "+" + text[i+1:]
	}
	for _, layout := range []string{time.RFC3339Nano, timeFormat, "2006-01-02 15:04:05.999999999Z07:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, runtime.Errorf(runtime.CodeInvalidArgument, "%s is not a time", name).
		WithHint("write it like 2026-01-31T15:04:05Z")
}

// parseLimit reads ?limit=, from 1 to most, which is also the default.
func parseLimit(query *fasthttp.Args, most int) (int, error) {
	text := query.Peek("limit")
	if text == nil {
		return most, nil
	}
	limit, err := strconv.Atoi(string(text))
	if err != nil || limit < 1 || limit > most {
		return 0, runtime.Errorf(runtime.CodeInvalidArgument, "limit must be a number from 1 to %d", most)
	}
	return limit, nil
}

package faaspot

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/filterexpr"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// maxExecutions bounds how many executions one answer lists. It is also the default, because
// FaaSpot's original clients do not read pages.
const maxExecutions = runtime.MaxPage

// listQuery names the parameters of the list of executions.
var listQuery = []string{"include_completed", "function", "deployment", "status", "created_after", "created_before", "trace_id", "where", "limit", "cursor", "follow"}

// listExecutions answers with a page of executions, newest first.
func (a *api) listExecutions(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	query := ctx.QueryArgs()
	filter, err := parseFilter(query)
	if err != nil {
		return err
	}
	follow, err := web.BoolParam(query, "follow")
	if err != nil {
		return err
	}
	if follow {
		limit, err := web.IntParam(query, "limit", liveDefault, 0, maxExecutions)
		if err != nil {
			return err
		}
		return a.followExecutions(ctx, tenant, filter, limit)
	}
	limit, err := web.IntParam(query, "limit", maxExecutions, 1, maxExecutions)
	if err != nil {
		return err
	}
	after, who := "", web.Identity(ctx)
	if cursor := query.Peek("cursor"); len(cursor) > 0 {
		if after, err = a.cursors.open(who, filter, string(cursor)); err != nil {
			return err
		}
	}
	base, scan := a.URL(ctx), executionScan{api: a, tenant: tenant, filter: filter, who: who, left: maxScanned}
	// A page has one execution more than these bytes, and the scan looks at another.
	scan.bytes = max(1, web.MemoryOf(ctx).StepBytes()-2*web.ListedBytes)
	page, err := web.Collect(a.Host, ctx, runtime.PageRequest{After: after, Limit: limit}, scan.worst(), scan.next,
		executionSize, func(x *runtime.Execution) runtime.Execution { return *x })
	if err != nil {
		return err
	}
	if page.Next != "" {
		cursor, err := a.cursors.make(who, filter, page.Next)
		if err != nil {
			return err
		}
		web.NextLink(ctx, "/v1/executions/?"+withCursor(query, cursor))
	}
	text, err := encodeExecutions(base, page.Items)
	if err != nil {
		return err
	}
	web.WriteJSON(ctx, fasthttp.StatusOK, text)
	return nil
}

// encodeExecutions returns the JSON form of a list of executions.
func encodeExecutions(base string, all []runtime.Execution) (text []byte, err error) {
	size := len("[]")
	for i := range all {
		_, kept := executionSize(&all[i])
		size += kept
	}
	text = append(make([]byte, 0, size), '[')
	for i := range all {
		if i > 0 {
			text = append(text, ',')
		}
		if text, err = appendExecution(text, base, &all[i]); err != nil {
			return nil, err
		}
	}
	return append(text, ']'), nil
}

// maxScanned is the number of looks at executions of one request, see [runtime.ExecutionScan]: a page ends
// early if few of them pass its filter.
const maxScanned = 10_000

// executionScan reads executions that pass a filter and that the sender of a request may see, page by page.
type executionScan struct {
	*api
	tenant runtime.Tenant
	filter runtime.ExecutionFilter
	who    *runtime.Identity
	bytes  int // of the executions of a page, except for its last one
	left   int // looks that it may still take
}

// worst returns the memory of an execution of a page, in bytes, for [web.Collect]; 0 if bytes bounds a page.
func (s *executionScan) worst() int {
	if s.passesAll() {
		return web.ListedBytes
	}
	return 0
}

// passesAll reports whether every execution for which the filter without Where holds passes.
func (s *executionScan) passesAll() bool { return s.filter.Where == nil && !s.who.Limited() }

// next returns a page. One with fewer executions than were requested is the last one, or has a Next because
// the scan ends. It reads the store once.
func (s *executionScan) next(r runtime.PageRequest) (page runtime.Page[runtime.Execution], err error) {
	if s.passesAll() {
		return s.engine().ListExecutions(s.Context(), s.tenant, s.filter, r)
	}
	if s.left <= 0 {
		return runtime.Page[runtime.Execution]{Next: r.After}, nil
	}
	page, looks, err := s.engine().ScanExecutions(s.Context(), s.tenant, s.filter, runtime.ExecutionScan{
		After: r.After, Limit: r.Limit, Bytes: s.bytes, Looks: s.left, Sees: s.who.Sees,
	})
	s.left -= looks
	return page, err
}

// executionSize returns the size of a listed execution in memory and in an answer, in bytes.
func executionSize(x *runtime.Execution) (read, kept int) {
	n := renderedBytes/2 + len(x.Result)
	if x.Failure != nil {
		n += len(x.Failure.Message) + len(x.Failure.Traceback)
	}
	return n, n
}

// withCursor returns a query with another cursor.
func withCursor(query *fasthttp.Args, cursor string) string {
	next := make(url.Values)
	for key, value := range query.All() {
		next.Add(string(key), string(value))
	}
	next.Set("cursor", cursor)
	return next.Encode()
}

// parseFilter reads which executions to list.
func parseFilter(query *fasthttp.Args) (runtime.ExecutionFilter, error) {
	var f runtime.ExecutionFilter
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
	all, err := web.BoolParam(query, "include_completed")
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
		f.States = slices.Concat(statesOf[wire.StatusPending], statesOf[wire.StatusStarted])
	}
	if f.After, err = parseTime(query, "created_after"); err != nil {
		return f, err
	}
	if f.Before, err = parseTime(query, "created_before"); err != nil {
		return f, err
	}
	f.Where, err = parseWhere(string(query.Peek("where")))
	return f, err
}

// maxWhere is the length of the longest expression of a filter, in bytes: with each of them escaped, it
// fits into the longest address of a request.
const maxWhere = 2 * runtime.KiB

// parseWhere reads an expression of [filterexpr], nil if it is empty.
func parseWhere(expression string) (*runtime.SearchFilter, error) {
	if expression == "" {
		return nil, nil
	}
	if len(expression) > maxWhere {
		return nil, runtime.Errorf(runtime.CodeTooLarge, "where has %d bytes, at most %d are allowed", len(expression), maxWhere).
			WithHint("search for fewer values at once")
	}
	f, err := filterexpr.Parse(expression)
	if err != nil {
		return nil, err
	}
	return &f, nil
}

// parseStatuses reads comma-separated statuses. It returns their states in one order, whatever
// the order of the statuses, because a cursor is bound to them.
func parseStatuses(words string) ([]runtime.State, error) {
	known := []wire.Status{wire.StatusPending, wire.StatusStarted, wire.StatusSuccess, wire.StatusFailed, wire.StatusCancelled}
	requested := make(map[wire.Status]bool)
	for word := range strings.SplitSeq(words, ",") {
		status, ok := wire.ParseStatus(word)
		if !ok {
			return nil, runtime.Errorf(runtime.CodeInvalidArgument, "there is no status %q", word).
				WithHint("use Pending or Started, or for finished executions Success, Failed or Cancelled, separated by commas")
		}
		requested[status] = true
	}
	var states []runtime.State
	for _, status := range known {
		if requested[status] {
			states = append(states, statesOf[status]...)
		}
	}
	return states, nil
}

// parseTrace reads the id of a trace, empty if the query does not have it.
func parseTrace(query *fasthttp.Args) (string, error) {
	if !query.Has("trace_id") {
		return "", nil
	}
	return traceIDOf(string(query.Peek("trace_id")))
}

// traceIDOf returns the id of a trace in lower case.
func traceIDOf(text string) (string, error) {
	id := strings.ToLower(text)
	if !web.IsTraceID(id) {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "trace_id is not the id of a trace").
			WithHint("give 32 hexadecimal digits that are not all zero, as the header traceparent has them")
	}
	return id, nil
}

// parseTime reads a time of a query, see timeOf.
func parseTime(query *fasthttp.Args, name string) (time.Time, error) {
	return timeOf(name, string(query.Peek(name)))
}

// timeOf returns a time in RFC 3339 or in the layout of this dialect. An empty text is the zero time.
func timeOf(name, text string) (time.Time, error) {
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

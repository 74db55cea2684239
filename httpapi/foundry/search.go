package foundry

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// Names of errors of listExecutions.
const (
	nameInvalidFilter    = "InvalidExecutionFilter"
	nameInvalidPageSize  = "InvalidPageSize"
	nameInvalidPageToken = "InvalidPageToken"
	nameNoResource       = "ResourceNotFound"
	nameResourceDenied   = "ListExecutionsResourcePermissionDenied"
	namePreview          = "ApiFeaturePreviewUsageOnly"
)

// searchBody is the body of listExecutions. Zero values are members that it does not have.
type searchBody struct {
	start, end time.Time
	where      *runtime.SearchFilter
	older      bool // the request has the form of earlier releases of the vendor's API
	pageSize   int
	pageToken  string
}

// search answers with a page of the finished executions of a resource.
func (a *api) search(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	if preview, err := web.BoolParam(ctx.QueryArgs(), "preview"); err != nil || !preview {
		return web.Named(runtime.Errorf(runtime.CodeInvalidArgument, "this endpoint is in preview, and the request does not opt in").
			WithHint("add ?preview=true to the URL"), namePreview, nil)
	}
	details, err := web.BoolParam(ctx.QueryArgs(), "details")
	if err != nil {
		return err
	}
	body, err := parseSearch(ctx.Request.Body())
	if err != nil {
		return err
	}
	rid, _ := web.PathParam(ctx, "resourceRid")
	token := pageToken{tenant: tenant, rid: rid, start: body.start, end: body.end, where: body.where}
	query := runtime.SearchQuery{RID: rid, Start: body.start, End: body.end, Where: body.where, Limit: body.pageSize}
	if body.pageToken != "" {
		if query.After, err = token.open(body.pageToken); err != nil {
			return web.Named(err, nameInvalidPageToken, nil)
		}
	}
	page, err := a.engine().SearchExecutions(a.Context(), tenant, query)
	switch runtime.CodeOf(err) {
	case "":
	case runtime.CodeNotFound:
		return web.Named(err, nameNoResource, map[string]any{"resourceRid": rid})
	case runtime.CodePermissionDenied:
		return web.Named(err, nameResourceDenied, map[string]any{"resourceRid": rid})
	default:
		return err
	}
	response := wire.SearchResponse[string]{Data: make([]wire.FoundExecution[string], len(page.Items))}
	for i := range page.Items {
		x := &page.Items[i]
		response.Data[i] = renderExecution(x)
		if details {
			ms := json.Number(strconv.FormatFloat(max(0, x.Duration.Seconds()*1000), 'f', 3, 64))
			response.Data[i].ExecutionID, response.Data[i].DurationMS = x.ID, &ms
		}
		if body.older {
			addOlder(&response.Data[i], x)
		}
	}
	if page.Next != "" {
		response.NextPageToken = token.seal(page.Next)
	}
	return web.WriteValue(ctx, response)
}

// startFormat is the layout of starts. Microseconds are rounded down, so a search from the start of
// an execution finds it.
const startFormat = "2006-01-02T15:04:05.000000Z"

// addOlder adds the members that earlier releases of the vendor's API have in place of
// foundryTraceId and traceOwningRid, and the user.
func addOlder(response *wire.FoundExecution[string], x *runtime.ExecutionSummary) {
	response.OlderTraceID = x.TraceID
	response.TraceLocator = x.TraceOwner + "/" + x.TraceID
	response.UserID = x.UserID
}

func renderExecution(x *runtime.ExecutionSummary) wire.FoundExecution[string] {
	return wire.FoundExecution[string]{
		ResourceRID:     x.RID,
		ResourceVersion: strconv.FormatUint(x.Version, 10),
		TraceID:         x.TraceID,
		TraceOwnerRID:   x.TraceOwner,
		Status:          string(x.Status),
		Start:           x.Started.UTC().Format(startFormat),
		Duration:        wire.Duration{Value: x.Millis(), Unit: unitMilliseconds},
		FailureReason:   string(x.Reason),
		CallerRID:       x.Caller.RID,
	}
}

// parseSearch reads the body of listExecutions, which may be empty.
func parseSearch(text []byte) (b searchBody, err error) {
	if len(text) == 0 {
		return b, nil
	}
	f, err := web.ReadFields(text)
	if err != nil {
		return b, err
	}
	b.start, b.end = parseTimestamp(f, "startTime"), parseTimestamp(f, "endTime")
	b.pageToken = f.Text("pageToken")
	where, older, size := f.Take("where"), f.Take("filter"), f.Take("pageSize")
	if err := f.End(); err != nil {
		return b, err
	}
	if size != nil {
		const most = runtime.MaxSearchPage
		if json.Unmarshal(size, &b.pageSize) != nil || b.pageSize < 1 || b.pageSize > most {
			return b, web.Named(runtime.Errorf(runtime.CodeInvalidArgument, "pageSize must be a whole number from 1 to %d", most),
				nameInvalidPageSize, map[string]any{"pageSize": size})
		}
	}
	if where != nil {
		filter, err := parseFilter("where", where, 1)
		if err == nil {
			err = filter.Validate()
		}
		if err != nil {
			return b, web.Named(err, nameInvalidFilter, nil)
		}
		b.where = &filter
	}
	if older != nil {
		if err := b.parseOlder(older); err != nil {
			return b, web.Named(err, nameInvalidFilter, nil)
		}
	}
	return b, nil
}

// parseOlder reads the member filter, which earlier releases of the vendor's API have in place of
// where, startTime and endTime.
func (b *searchBody) parseOlder(raw json.RawMessage) error {
	if b.where != nil {
		return runtime.Errorf(runtime.CodeInvalidArgument, "the request has both where and filter").WithHint("send where alone")
	}
	window := olderFilter{start: b.start, end: b.end}
	filter, err := window.parse("filter", raw, 1, true)
	if err == nil && filter != nil {
		err = filter.Validate()
	}
	if err != nil {
		return err
	}
	b.where, b.start, b.end, b.older = filter, window.start, window.end, true
	return nil
}

// parseTimestamp reads a time in ISO 8601 with a time zone, as RFC 3339 has it; zero if it is
// absent.
func parseTimestamp(f *web.Fields, key string) (t time.Time) {
	raw := f.Take(key)
	if raw == nil {
		return t
	}
	var text string
	err := json.Unmarshal(raw, &text)
	if err == nil {
		t, err = time.Parse(time.RFC3339Nano, text)
	}
	if err != nil || t.IsZero() {
		f.FailHint("write it in ISO 8601 with a time zone, like 2026-01-31T15:04:05Z", key, "is not a time")
	}
	return t
}

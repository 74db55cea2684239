package httpapi

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// observedExecution is an execution as it is told below /api/v2.
type observedExecution struct {
	ResourceRID     string                `json:"resourceRid"`
	ResourceVersion string                `json:"resourceVersion"`
	FoundryTraceID  string                `json:"foundryTraceId"`
	TraceOwningRID  string                `json:"traceOwningRid"`
	Status          runtime.SummaryStatus `json:"status"`
	StartTime       string                `json:"startTime"`
	Duration        duration              `json:"duration"`
	FailureReason   runtime.Class         `json:"failureReason,omitempty"`
	CallerRID       string                `json:"callerRid,omitempty"`
}

// duration is one as it is told, and asked for, below /api/v2.
type duration struct {
	Value int64  `json:"value"`
	Unit  string `json:"unit"`
}

// observedPage is the answer to listExecutions.
type observedPage struct {
	Data          []observedExecution `json:"data"`
	NextPageToken string              `json:"nextPageToken,omitempty"`
}

// observeBody is what listExecutions asks for.
type observeBody struct {
	start, end time.Time // zero: not said
	where      *runtime.SearchFilter
	pageSize   int // zero: not said
	pageToken  string
}

// Names of errors of listExecutions.
const (
	nameInvalidFilter    = "InvalidExecutionFilter"
	nameInvalidPageSize  = "InvalidPageSize"
	nameInvalidPageToken = "InvalidPageToken"
	nameNoResource       = "ResourceNotFound"
	nameResourceDenied   = "ListExecutionsResourcePermissionDenied"
	namePreview          = "ApiFeaturePreviewUsageOnly"
)

// listObserved answers a page of the executions of a resource that are done.
func (s *Server) listObserved(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	if preview, err := parseBool(ctx.QueryArgs(), "preview"); err != nil || !preview {
		return named(namePreview, nil, runtime.Errorf(runtime.CodeInvalidArgument, "this endpoint is in preview, and the request does not say that it knows").
			WithHint("add ?preview=true to the URL"))
	}
	body, err := parseObserveBody(ctx.Request.Body())
	if err != nil {
		return err
	}
	rid := pathText(ctx, "resourceRid")
	token := observeToken{tenant: tenant, rid: rid, start: body.start, end: body.end, where: body.where}
	query := runtime.SearchQuery{RID: rid, Start: body.start, End: body.end, Where: body.where, Limit: body.pageSize}
	if body.pageToken != "" {
		if query.After, err = token.open(body.pageToken); err != nil {
			return named(nameInvalidPageToken, nil, err)
		}
	}
	page, err := s.engine().SearchExecutions(s.runs, tenant, query)
	switch runtime.CodeOf(err) {
	case "":
	case runtime.CodeNotFound:
		return named(nameNoResource, map[string]any{"resourceRid": rid}, err)
	case runtime.CodePermissionDenied:
		return named(nameResourceDenied, map[string]any{"resourceRid": rid}, err)
	default:
		return err
	}
	told := observedPage{Data: make([]observedExecution, len(page.Items))}
	for i := range page.Items {
		told.Data[i] = tellObserved(&page.Items[i])
	}
	if page.Next != "" {
		told.NextPageToken = token.seal(page.Next)
	}
	return writeValue(ctx, told)
}

func named(name string, parameters map[string]any, err error) error {
	return namedError{err, name, parameters}
}

func tellObserved(x *runtime.ExecutionSummary) observedExecution {
	return observedExecution{
		ResourceRID:     x.RID,
		ResourceVersion: strconv.FormatUint(x.Version, 10),
		FoundryTraceID:  x.TraceID,
		TraceOwningRID:  x.TraceOwner,
		Status:          x.Status,
		StartTime:       x.Started.UTC().Format(time.RFC3339Nano),
		Duration:        duration{x.Millis(), unitMilliseconds},
		FailureReason:   x.Reason,
		CallerRID:       x.Caller.RID,
	}
}

// parseObserveBody reads the body of listExecutions. An empty one asks for
// nothing in particular.
func parseObserveBody(text []byte) (b observeBody, err error) {
	if len(text) == 0 {
		return b, nil
	}
	f, err := readFields(text)
	if err != nil {
		return b, err
	}
	b.start, b.end = f.timestamp("startTime"), f.timestamp("endTime")
	b.pageToken = f.text("pageToken")
	where, size := f.take("where"), f.take("pageSize")
	if err := f.end(); err != nil {
		return b, err
	}
	if size != nil {
		const most = runtime.MaxSearchPage
		if json.Unmarshal(size, &b.pageSize) != nil || b.pageSize < 1 || b.pageSize > most {
			return b, named(nameInvalidPageSize, map[string]any{"pageSize": size},
				runtime.Errorf(runtime.CodeInvalidArgument, "pageSize must be a whole number from 1 to %d", most))
		}
	}
	if where != nil {
		filter, err := parseObservedFilter("where", where, 1)
		if err == nil {
			err = filter.Validate()
		}
		if err != nil {
			return b, named(nameInvalidFilter, nil, err)
		}
		b.where = &filter
	}
	return b, nil
}

// timestamp gives a time in ISO 8601, as RFC 3339 writes it; zero if it is absent.
func (f *fields) timestamp(key string) (t time.Time) {
	raw := f.take(key)
	if raw == nil {
		return t
	}
	var text string
	err := json.Unmarshal(raw, &text)
	if err == nil {
		t, err = time.Parse(time.RFC3339Nano, text)
	}
	if err != nil || t.IsZero() {
		f.failWith("write it in ISO 8601 with a time zone, like 2026-01-31T15:04:05Z", key, "is not a time")
	}
	return t
}

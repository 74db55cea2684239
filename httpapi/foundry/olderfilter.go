package foundry

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// olderFilter parses filters in the form that clients of earlier releases of the vendor's API send
// as the member filter: each type of filter has members of its own, and the window of a search is
// part of the filter.
type olderFilter struct {
	start, end time.Time // of all filters of the types startTime and endTime; zero: none
}

// olderFields are the filters that compare one field with one text, which is the member of the
// name that follows.
var olderFields = map[string]struct {
	field  runtime.SearchField
	member string
}{
	"result":          {runtime.FieldStatus, "status"},
	"traceId":         {runtime.FieldTrace, "traceId"},
	"resourceVersion": {runtime.FieldVersion, "resourceVersion"},
	"failureReason":   {runtime.FieldReason, "failureReason"},
	"userId":          {runtime.FieldUser, "userId"},
}

// parse reads the filter at a path of the body. It returns nil if the filter selects by nothing but
// the start. timed reports whether the filter may have such parts: it is the outermost one, or in
// one of the type and.
func (o *olderFilter) parse(path string, raw json.RawMessage, depth int, timed bool) (*runtime.SearchFilter, error) {
	f, ok := web.ReadObject(path, raw)
	if !ok {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "%s is not an object", path).
			WithHint(`write it like {"type":"result","status":"FAILED"}`)
	}
	if depth > runtime.MaxFilterDepth {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the filter has more than %d levels", runtime.MaxFilterDepth).
			WithHint("nest fewer filters")
	}
	kind := f.Text("type")
	filter := &runtime.SearchFilter{}
	switch kind {
	case "and", "or", "not":
		filter.Op = runtime.FilterOp(kind)
		inner := f.Array("filters")
		if kind == "not" {
			inner = []json.RawMessage{f.Take("filter")}
		}
		for i, raw := range inner {
			below := fmt.Sprintf("%s.filters[%d]", path, i)
			if kind == "not" {
				below = path + ".filter"
			}
			one, err := o.parse(below, raw, depth+1, timed && kind == "and")
			if err != nil {
				return nil, err
			}
			if one != nil {
				filter.Filters = append(filter.Filters, *one)
			}
		}
		if len(filter.Filters) == 0 && len(inner) > 0 {
			filter = nil
		}
	case "startTime", "endTime":
		if !timed {
			return nil, runtime.Errorf(runtime.CodeInvalidArgument, "%s is a filter of the type %s below or or not", path, kind).
				WithHint("use it as the whole filter, or in one of the type and")
		}
		require(f, kind)
		o.narrow(kind, parseTimestamp(f, kind))
		filter = nil
	case "duration":
		filter = parseOlderDuration(f)
	case "caller":
		filter.Field = runtime.FieldCaller
		if filter.Op = runtime.FilterIsNull; f.Has("callerRid") {
			filter.Op, filter.Values = runtime.FilterEq, []string{f.Text("callerRid")}
		}
	default:
		of, known := olderFields[kind]
		if !known {
			return nil, runtime.Errorf(runtime.CodeInvalidArgument, "%s has no known type: %q", path, kind).
				WithHint("use result, duration, traceId, caller, resourceVersion, failureReason, userId, startTime, endTime, and, or, not; newer clients send where")
		}
		require(f, of.member)
		filter.Op, filter.Field, filter.Values = runtime.FilterEq, of.field, []string{f.Text(of.member)}
	}
	return filter, f.End()
}

// narrow bounds the window further.
func (o *olderFilter) narrow(kind string, t time.Time) {
	switch {
	case kind == "startTime" && t.After(o.start):
		o.start = t
	case kind == "endTime" && (o.end.IsZero() || t.Before(o.end)):
		o.end = t
	}
}

// parseOlderDuration reads a filter by a shortest and a longest duration, both of which may be
// absent.
func parseOlderDuration(f *web.Fields) *runtime.SearchFilter {
	all := &runtime.SearchFilter{Op: runtime.FilterAnd}
	bound := func(op runtime.FilterOp, member string) {
		if f.Has(member) {
			all.Filters = append(all.Filters, runtime.SearchFilter{Op: op, Field: runtime.FieldDuration, Millis: parseMillis(f.Object(member))})
		}
	}
	bound(runtime.FilterGte, "minDuration")
	bound(runtime.FilterLte, "maxDuration")
	if len(all.Filters) == 0 {
		return &runtime.SearchFilter{Op: runtime.FilterGte, Field: runtime.FieldDuration}
	}
	return all
}

// require fails if a member is absent.
func require(f *web.Fields, member string) {
	if !f.Has(member) {
		f.Fail(member, "is missing")
	}
}

package foundry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

const unitMilliseconds = "MILLISECONDS"

// durationUnits are the units of durations, in milliseconds.
var durationUnits = map[string]int64{unitMilliseconds: 1, "SECONDS": 1000, "MINUTES": 60_000, "HOURS": 3_600_000}

// parseFilter reads the filter at a path of the body. Members that a filter of its type does
// not have are errors. The engine checks the values.
func parseFilter(path string, raw json.RawMessage, depth int) (filter runtime.SearchFilter, err error) {
	f, ok := web.ReadObject(path, raw)
	if !ok {
		return filter, runtime.Errorf(runtime.CodeInvalidArgument, "%s is not an object", path).
			WithHint(`write it like {"type":"eq","field":"status","value":"FAILED"}`)
	}
	if depth > runtime.MaxFilterDepth {
		return filter, runtime.Errorf(runtime.CodeInvalidArgument, "the filter has more than %d levels", runtime.MaxFilterDepth).
			WithHint("nest fewer filters")
	}
	filter.Op = runtime.FilterOp(f.Text("type"))
	switch filter.Op {
	case runtime.FilterAnd, runtime.FilterOr:
		for i, inner := range f.Array("filters") {
			one, err := parseFilter(fmt.Sprintf("%s.filters[%d]", path, i), inner, depth+1)
			if err != nil {
				return filter, err
			}
			filter.Filters = append(filter.Filters, one)
		}
	case runtime.FilterNot:
		if inner := f.Take("filter"); inner != nil {
			one, err := parseFilter(path+".filter", inner, depth+1)
			if err != nil {
				return filter, err
			}
			filter.Filters = append(filter.Filters, one)
		}
	case runtime.FilterEq, runtime.FilterIn, runtime.FilterIsNull, runtime.FilterGte, runtime.FilterLte:
		filter.Field = runtime.SearchField(f.Text("field"))
		if err := filter.ValidateField(); err != nil && f.Err() == nil {
			return filter, err
		}
		parseValue(f, &filter)
	default:
		return filter, f.Err() // the engine refuses the type, regardless of the other members
	}
	return filter, f.End()
}

// parseValue reads the value that a filter compares its field with.
func parseValue(f *web.Fields, filter *runtime.SearchFilter) {
	if filter.Op != runtime.FilterIsNull && !f.Has("value") {
		f.Fail("value", "is missing")
		return
	}
	switch filter.Op {
	case runtime.FilterEq:
		filter.Values = []string{f.Text("value")}
	case runtime.FilterIn:
		for i, raw := range f.Array("value") {
			var v *string
			if json.Unmarshal(raw, &v) != nil || v == nil {
				f.Fail(fmt.Sprintf("value[%d]", i), "is not a string")
				return
			}
			filter.Values = append(filter.Values, *v)
		}
	case runtime.FilterGte, runtime.FilterLte:
		filter.Millis = parseMillis(f.Object("value"))
	}
}

// parseMillis reads a duration, a whole number and its unit, and returns it in milliseconds.
func parseMillis(f *web.Fields) int64 {
	raw := f.Take("value")
	unit := f.Text("unit")
	scale, known := durationUnits[unit]
	n, err := strconv.ParseInt(string(bytes.TrimSpace(raw)), 10, 64)
	switch {
	case f.Err() != nil:
	case err != nil:
		f.Fail("value", "is not a whole number, or too large")
	case n < 0:
		f.Fail("value", "of %d is negative", n)
	case !known:
		f.FailHint("use MILLISECONDS, SECONDS, MINUTES or HOURS", "unit", "is not a unit of time")
	case n > math.MaxInt64/scale:
		f.Fail("value", "of %d %s is too long", n, unit)
	}
	_ = f.End()
	if f.Err() != nil {
		return 0
	}
	return n * scale
}

package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/faaspot/faaspot/runtime"
)

const unitMilliseconds = "MILLISECONDS"

// durationUnits are the units of durations, in milliseconds.
var durationUnits = map[string]int64{unitMilliseconds: 1, "SECONDS": 1000, "MINUTES": 60_000, "HOURS": 3_600_000}

// parseObservedFilter reads a filter of listExecutions, whose place in the body
// path says. Members that its type does not have are errors. What the values mean
// is for the engine to say.
func parseObservedFilter(path string, raw json.RawMessage, depth int) (filter runtime.SearchFilter, err error) {
	f := &fields{path: path, err: new(error)}
	if json.Unmarshal(raw, &f.left) != nil || f.left == nil {
		return filter, runtime.Errorf(runtime.CodeInvalidArgument, "%s is not an object", path).
			WithHint(`write it like {"type":"eq","field":"status","value":"FAILED"}`)
	}
	if depth > runtime.MaxFilterDepth {
		return filter, runtime.Errorf(runtime.CodeInvalidArgument, "the filter has more than %d levels", runtime.MaxFilterDepth).
			WithHint("write it with fewer filters within filters")
	}
	filter.Op = runtime.FilterOp(f.text("type"))
	switch filter.Op {
	case runtime.FilterAnd, runtime.FilterOr:
		for i, inner := range f.array("filters") {
			one, err := parseObservedFilter(fmt.Sprintf("%s.filters[%d]", path, i), inner, depth+1)
			if err != nil {
				return filter, err
			}
			filter.Of = append(filter.Of, one)
		}
	case runtime.FilterNot:
		if inner := f.take("filter"); inner != nil {
			one, err := parseObservedFilter(path+".filter", inner, depth+1)
			if err != nil {
				return filter, err
			}
			filter.Of = append(filter.Of, one)
		}
	case runtime.FilterEq, runtime.FilterIn, runtime.FilterIsNull, runtime.FilterGte, runtime.FilterLte:
		filter.Field = runtime.SearchField(f.text("field"))
		if err := filter.Takes(); err != nil && *f.err == nil {
			return filter, err
		}
		f.value(&filter)
	default:
		f.left = nil // of what it is not
	}
	return filter, f.end()
}

// value reads that of a filter that looks at a field.
func (f *fields) value(filter *runtime.SearchFilter) {
	if filter.Op != runtime.FilterIsNull && !f.has("value") {
		f.fail("value", "is missing")
		return
	}
	switch filter.Op {
	case runtime.FilterEq:
		filter.Values = []string{f.text("value")}
	case runtime.FilterIn:
		for i, raw := range f.array("value") {
			var v *string
			if json.Unmarshal(raw, &v) != nil || v == nil {
				f.fail(fmt.Sprintf("value[%d]", i), "is not a string")
				return
			}
			filter.Values = append(filter.Values, *v)
		}
	case runtime.FilterGte, runtime.FilterLte:
		filter.Millis = f.object("value").millis()
	}
}

// millis reads a duration: a whole number and its unit.
func (f *fields) millis() int64 {
	raw := f.take("value")
	unit := f.text("unit")
	scale, known := durationUnits[unit]
	n, err := strconv.ParseInt(string(bytes.TrimSpace(raw)), 10, 64)
	switch {
	case *f.err != nil:
	case err != nil:
		f.fail("value", "is not a whole number that a duration can have")
	case n < 0:
		f.fail("value", "of %d is negative", n)
	case !known:
		f.failWith("use MILLISECONDS, SECONDS, MINUTES or HOURS", "unit", "is not a unit of time")
	case n > math.MaxInt64/scale:
		f.fail("value", "of %d %s is too long", n, unit)
	}
	for key := range f.left {
		f.fail(key, "is not known here")
	}
	if *f.err != nil {
		return 0
	}
	return n * scale
}

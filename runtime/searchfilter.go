package runtime

import (
	"slices"
	"strconv"
	"strings"
)

// FilterOp is what an [SearchFilter] does.
type FilterOp string

// The operators. The first five look at one field, the others put filters
// together.
const (
	FilterEq     FilterOp = "eq"
	FilterIn     FilterOp = "in"
	FilterIsNull FilterOp = "isNull"
	FilterGte    FilterOp = "gte"
	FilterLte    FilterOp = "lte"
	FilterAnd    FilterOp = "and"
	FilterOr     FilterOp = "or"
	FilterNot    FilterOp = "not"
)

// SearchField is a field that a filter looks at.
type SearchField string

// The fields.
const (
	FieldStatus     SearchField = "status"
	FieldDuration   SearchField = "duration"
	FieldUser       SearchField = "userId"
	FieldCaller     SearchField = "callerRid"
	FieldVersion    SearchField = "resourceVersion"
	FieldReason     SearchField = "failureReason"
	FieldTrace      SearchField = "foundryTraceId"
	FieldTraceOwner SearchField = "traceOwningRid"
)

// operators are those that a field takes.
var operators = map[SearchField][]FilterOp{
	FieldStatus:     {FilterEq, FilterIn},
	FieldDuration:   {FilterGte, FilterLte},
	FieldUser:       {FilterEq, FilterIn, FilterIsNull},
	FieldCaller:     {FilterEq, FilterIn, FilterIsNull},
	FieldVersion:    {FilterEq, FilterIn},
	FieldReason:     {FilterEq, FilterIn},
	FieldTrace:      {FilterEq, FilterIn},
	FieldTraceOwner: {FilterEq, FilterIn},
}

// Bounds of a filter.
const (
	MaxFilterDepth  = 10  // filters within filters
	MaxFilterLeaves = 100 // filters that look at a field
	MaxFilterValues = 100 // of one FilterIn
)

// SearchFilter chooses executions. A field that an execution does not have is
// equal to no value; not is true of whatever its filter is not true of.
type SearchFilter struct {
	Op     FilterOp
	Field  SearchField    // of eq, in, isNull, gte and lte
	Values []string       // of eq, which has one, and in
	Millis int64          // of gte and lte: the duration, inclusive
	Of     []SearchFilter // of and, or, and of not, which has one
}

// Validate tells what is wrong with a filter, as a CodeInvalidArgument error.
func (f *SearchFilter) Validate() error {
	leaves := 0
	return f.validate(1, &leaves)
}

func (f *SearchFilter) validate(depth int, leaves *int) error {
	if depth > MaxFilterDepth {
		return Errorf(CodeInvalidArgument, "the filter has more than %d levels", MaxFilterDepth).
			WithHint("write it with fewer filters within filters")
	}
	switch f.Op {
	case FilterAnd, FilterOr, FilterNot:
		if len(f.Of) == 0 || f.Op == FilterNot && len(f.Of) != 1 {
			return Errorf(CodeInvalidArgument, "the filter %q is of %d filters", f.Op, len(f.Of)).
				WithHint(`"and" and "or" take at least one filter, "not" takes exactly one`)
		}
		for i := range f.Of {
			if err := f.Of[i].validate(depth+1, leaves); err != nil {
				return err
			}
		}
		return nil
	case FilterEq, FilterIn, FilterIsNull, FilterGte, FilterLte:
	default:
		return Errorf(CodeInvalidArgument, "there is no filter of the type %q", f.Op).
			WithHint(`use one of "eq", "in", "isNull", "gte", "lte", "and", "or" and "not"`)
	}
	if *leaves++; *leaves > MaxFilterLeaves {
		return Errorf(CodeInvalidArgument, "the filter looks at more than %d fields", MaxFilterLeaves).
			WithHint(`use "in" for many values of one field`)
	}
	return f.validateLeaf()
}

// Takes tells, as a CodeInvalidArgument error, whether the field of a filter that
// looks at one takes its operator.
func (f *SearchFilter) Takes() error {
	takes, known := operators[f.Field]
	switch {
	case !known:
		return Errorf(CodeInvalidArgument, "there is no field %q to filter by", f.Field).
			WithHint("use one of status, duration, userId, callerRid, resourceVersion, failureReason, foundryTraceId and traceOwningRid")
	case !slices.Contains(takes, f.Op):
		words := make([]string, len(takes))
		for i, op := range takes {
			words[i] = string(op)
		}
		return Errorf(CodeInvalidArgument, "the field %q does not take the filter %q", f.Field, f.Op).
			WithHint("it takes " + strings.Join(words, ", "))
	}
	return nil
}

func (f *SearchFilter) validateLeaf() error {
	if err := f.Takes(); err != nil {
		return err
	}
	switch {
	case f.Millis < 0:
		return Errorf(CodeInvalidArgument, "the duration is negative").WithHint("give 0 or more")
	case f.Op == FilterEq && len(f.Values) != 1 || f.Op == FilterIn && len(f.Values) == 0:
		return Errorf(CodeInvalidArgument, "the filter %q has %d values", f.Op, len(f.Values)).
			WithHint(`"eq" takes one value, "in" at least one`)
	case len(f.Values) > MaxFilterValues:
		return Errorf(CodeInvalidArgument, "the filter %q has %d values, at most %d are allowed", f.Op, len(f.Values), MaxFilterValues).
			WithHint(`put several of them into an "or"`)
	}
	if f.Field == FieldStatus {
		for _, v := range f.Values {
			if s := SummaryStatus(v); s != SummarySucceeded && s != SummaryFailed {
				return Errorf(CodeInvalidArgument, "there is no status %q", v).WithHint("use SUCCEEDED or FAILED")
			}
		}
	}
	return nil
}

// Value is what an execution has in a field that is compared with texts; empty:
// nothing.
func (x *ExecutionSummary) Value(f SearchField) string {
	switch f {
	case FieldStatus:
		return string(x.Status)
	case FieldUser:
		return x.UserID
	case FieldCaller:
		return x.Caller.RID
	case FieldVersion:
		return strconv.FormatUint(x.Version, 10)
	case FieldReason:
		return string(x.Reason)
	case FieldTrace:
		return x.TraceID
	case FieldTraceOwner:
		return x.TraceOwner
	}
	return ""
}

// Matches tells whether a valid filter chooses an execution.
func (f *SearchFilter) Matches(x *ExecutionSummary) bool {
	matches := func(f SearchFilter) bool { return f.Matches(x) }
	switch f.Op {
	case FilterAnd:
		return !slices.ContainsFunc(f.Of, func(f SearchFilter) bool { return !f.Matches(x) })
	case FilterOr:
		return slices.ContainsFunc(f.Of, matches)
	case FilterNot:
		return !f.Of[0].Matches(x)
	case FilterGte:
		return x.Millis() >= f.Millis
	case FilterLte:
		return x.Millis() <= f.Millis
	case FilterIsNull:
		return x.Value(f.Field) == ""
	}
	v := x.Value(f.Field)
	return v != "" && slices.Contains(f.Values, v)
}

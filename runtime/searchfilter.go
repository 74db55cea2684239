package runtime

import (
	"slices"
	"strconv"
	"strings"
)

// FilterOp is the operator of a [SearchFilter].
type FilterOp string

// The operators. The first five test one field, the others combine filters.
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

// SearchField is a field that a filter tests.
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

// operators holds the operators that each field supports.
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
	MaxFilterDepth  = 10  // nested filters
	MaxFilterLeaves = 100 // filters that test a field
	MaxFilterValues = 100 // values of one FilterIn
)

// SearchFilter selects executions. A field that an execution does not have equals no value;
// FilterNot selects every execution that its filter does not select.
type SearchFilter struct {
	Op     FilterOp
	Field  SearchField // of FilterEq, FilterIn, FilterIsNull, FilterGte and FilterLte
	Values []string    // of FilterEq, which has one, and FilterIn
	Millis int64       // of FilterGte and FilterLte: the duration in milliseconds, inclusive
	// Filters are those that FilterAnd, FilterOr, and FilterNot, which has one, combine. The tag
	// keeps the tokens of search pages valid, which contain a hash of the JSON encoding.
	Filters []SearchFilter `json:"Of"`
}

// Validate returns a CodeInvalidArgument error if the filter is not valid.
func (f *SearchFilter) Validate() error {
	leaves := 0
	return f.validate(1, &leaves)
}

func (f *SearchFilter) validate(depth int, leaves *int) error {
	if depth > MaxFilterDepth {
		return Errorf(CodeInvalidArgument, "the filter has more than %d levels", MaxFilterDepth).
			WithHint("nest fewer filters")
	}
	switch f.Op {
	case FilterAnd, FilterOr, FilterNot:
		if len(f.Filters) == 0 || f.Op == FilterNot && len(f.Filters) != 1 {
			return Errorf(CodeInvalidArgument, "the filter %q contains %d filters", f.Op, len(f.Filters)).
				WithHint(`"and" and "or" take at least one filter, "not" takes exactly one`)
		}
		for i := range f.Filters {
			if err := f.Filters[i].validate(depth+1, leaves); err != nil {
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
		return Errorf(CodeInvalidArgument, "the filter tests more than %d fields", MaxFilterLeaves).
			WithHint(`use "in" for many values of one field`)
	}
	return f.validateLeaf()
}

// ValidateField returns a CodeInvalidArgument error if the field of a filter that tests one does
// not support the operator.
func (f *SearchFilter) ValidateField() error {
	supported, known := operators[f.Field]
	switch {
	case !known:
		return Errorf(CodeInvalidArgument, "there is no field %q to filter by", f.Field).
			WithHint("use one of status, duration, userId, callerRid, resourceVersion, failureReason, foundryTraceId and traceOwningRid")
	case !slices.Contains(supported, f.Op):
		words := make([]string, len(supported))
		for i, op := range supported {
			words[i] = string(op)
		}
		return Errorf(CodeInvalidArgument, "the field %q does not take the filter %q", f.Field, f.Op).
			WithHint("it takes " + strings.Join(words, ", "))
	}
	return nil
}

func (f *SearchFilter) validateLeaf() error {
	if err := f.ValidateField(); err != nil {
		return err
	}
	switch {
	case f.Millis < 0:
		return Errorf(CodeInvalidArgument, "the duration is negative").WithHint("use 0 or more")
	case f.Op == FilterEq && len(f.Values) != 1 || f.Op == FilterIn && len(f.Values) == 0:
		return Errorf(CodeInvalidArgument, "the filter %q has %d values", f.Op, len(f.Values)).
			WithHint(`"eq" takes one value, "in" at least one`)
	case len(f.Values) > MaxFilterValues:
		return Errorf(CodeInvalidArgument, "the filter %q has %d values, at most %d are allowed", f.Op, len(f.Values), MaxFilterValues).
			WithHint(`split the values over several filters in an "or"`)
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

// Value returns the text that an execution has in a field, empty if it has none.
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

// Matches reports whether a valid filter selects an execution.
func (f *SearchFilter) Matches(x *ExecutionSummary) bool {
	matches := func(f SearchFilter) bool { return f.Matches(x) }
	switch f.Op {
	case FilterAnd:
		return !slices.ContainsFunc(f.Filters, func(f SearchFilter) bool { return !f.Matches(x) })
	case FilterOr:
		return slices.ContainsFunc(f.Filters, matches)
	case FilterNot:
		return !f.Filters[0].Matches(x)
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

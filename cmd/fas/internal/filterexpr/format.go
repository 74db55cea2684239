package filterexpr

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// Format writes a filter so that [Parse] reads the same.
func Format(f runtime.SearchFilter) string {
	var b strings.Builder
	write(&b, f, 0)
	return b.String()
}

// Ranks of filters: one within another of a higher rank, or the same, needs
// parentheses.
const (
	rankOr = iota + 1
	rankAnd
	rankNot
)

func write(b *strings.Builder, f runtime.SearchFilter, within int) {
	switch f.Op {
	case runtime.FilterOr:
		writeList(b, f.Of, " or ", rankOr, within)
	case runtime.FilterAnd:
		writeList(b, f.Of, " and ", rankAnd, within)
	case runtime.FilterNot:
		b.WriteString("not ")
		write(b, f.Of[0], rankNot)
	default:
		writeLeaf(b, f)
	}
}

func writeList(b *strings.Builder, of []runtime.SearchFilter, between string, rank, within int) {
	if within >= rank {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	for i, one := range of {
		if i > 0 {
			b.WriteString(between)
		}
		write(b, one, rank)
	}
}

func writeLeaf(b *strings.Builder, f runtime.SearchFilter) {
	for _, known := range fields {
		if known.field == f.Field {
			b.WriteString(known.name)
		}
	}
	switch f.Op {
	case runtime.FilterEq:
		b.WriteString(" = " + value(f.Values[0]))
	case runtime.FilterIn:
		all := make([]string, len(f.Values))
		for i, v := range f.Values {
			all[i] = value(v)
		}
		b.WriteString(" in (" + strings.Join(all, ", ") + ")")
	case runtime.FilterIsNull:
		b.WriteString(" is null")
	case runtime.FilterGte:
		b.WriteString(" >= " + (time.Duration(f.Millis) * time.Millisecond).String())
	case runtime.FilterLte:
		b.WriteString(" <= " + (time.Duration(f.Millis) * time.Millisecond).String())
	}
}

func value(s string) string {
	plain := s != ""
	for i := range len(s) {
		plain = plain && isWord(s[i])
	}
	if plain {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// JSON is a filter as the API takes it.
func JSON(f runtime.SearchFilter) (json.RawMessage, error) { return json.Marshal(tell(f)) }

// filter is the form of one in JSON.
type filter struct {
	Type    runtime.FilterOp    `json:"type"`
	Field   runtime.SearchField `json:"field,omitempty"`
	Value   any                 `json:"value,omitempty"`
	Filters []filter            `json:"filters,omitempty"`
	Filter  *filter             `json:"filter,omitempty"`
}

func tell(f runtime.SearchFilter) filter {
	told := filter{Type: f.Op, Field: f.Field}
	switch f.Op {
	case runtime.FilterAnd, runtime.FilterOr:
		for _, one := range f.Of {
			told.Filters = append(told.Filters, tell(one))
		}
	case runtime.FilterNot:
		inner := tell(f.Of[0])
		told.Filter = &inner
	case runtime.FilterEq:
		told.Value = f.Values[0]
	case runtime.FilterIn:
		told.Value = f.Values
	case runtime.FilterGte, runtime.FilterLte:
		told.Value = map[string]any{"value": f.Millis, "unit": "MILLISECONDS"}
	}
	return told
}

// And is the filter of which all of some are true.
func And(all []runtime.SearchFilter) runtime.SearchFilter {
	if len(all) == 1 {
		return all[0]
	}
	return runtime.SearchFilter{Op: runtime.FilterAnd, Of: all}
}

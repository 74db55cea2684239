package filterexpr

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// Format renders a filter as an expression that [Parse] reads as the same filter.
func Format(f runtime.SearchFilter) string {
	var b strings.Builder
	write(&b, f, 0)
	return b.String()
}

// Ranks of filters. A filter inside another of the same or a higher rank needs parentheses.
const (
	rankOr = iota + 1
	rankAnd
	rankNot
)

func write(b *strings.Builder, f runtime.SearchFilter, within int) {
	switch f.Op {
	case runtime.FilterOr:
		writeList(b, f.Filters, " or ", rankOr, within)
	case runtime.FilterAnd:
		writeList(b, f.Filters, " and ", rankAnd, within)
	case runtime.FilterNot:
		b.WriteString("not ")
		write(b, f.Filters[0], rankNot)
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

// JSON returns the JSON form of a filter in requests.
func JSON(f runtime.SearchFilter) (json.RawMessage, error) { return json.Marshal(toJSON(f)) }

// filter is the JSON form of a filter.
type filter struct {
	Type    runtime.FilterOp    `json:"type"`
	Field   runtime.SearchField `json:"field,omitempty"`
	Value   any                 `json:"value,omitempty"`
	Filters []filter            `json:"filters,omitempty"`
	Filter  *filter             `json:"filter,omitempty"`
}

func toJSON(f runtime.SearchFilter) filter {
	out := filter{Type: f.Op, Field: f.Field}
	switch f.Op {
	case runtime.FilterAnd, runtime.FilterOr:
		for _, one := range f.Filters {
			out.Filters = append(out.Filters, toJSON(one))
		}
	case runtime.FilterNot:
		inner := toJSON(f.Filters[0])
		out.Filter = &inner
	case runtime.FilterEq:
		out.Value = f.Values[0]
	case runtime.FilterIn:
		out.Value = f.Values
	case runtime.FilterGte, runtime.FilterLte:
		out.Value = map[string]any{"value": f.Millis, "unit": "MILLISECONDS"}
	}
	return out
}

// And returns the filter that matches what all of the given filters match.
func And(all []runtime.SearchFilter) runtime.SearchFilter {
	if len(all) == 1 {
		return all[0]
	}
	return runtime.SearchFilter{Op: runtime.FilterAnd, Filters: all}
}

package filterexpr

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/suggest"
)

// named is a field with its name in expressions and the operators that it takes.
type named struct {
	name  string
	field runtime.SearchField // its name in the API, which expressions may use too
	takes string
}

var fields = []named{
	{"status", runtime.FieldStatus, "=, !=, in"},
	{"duration", runtime.FieldDuration, ">=, <="},
	{"user", runtime.FieldUser, "=, !=, in, is null"},
	{"caller", runtime.FieldCaller, "=, !=, in, is null"},
	{"version", runtime.FieldVersion, "=, !=, in"},
	{"reason", runtime.FieldReason, "=, !=, in"},
	{"trace", runtime.FieldTrace, "=, !=, in"},
	{"owner", runtime.FieldTraceOwner, "=, !=, in"},
}

// Fields returns the names of all fields.
func Fields() []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return names
}

// parser is a recursive-descent parser with one token of lookahead.
type parser struct {
	source string
	token  token
	behind int // offset behind the token
	depth  int
	err    error
}

// maxDepth bounds the recursion of the parser; the filter itself has a lower bound.
const maxDepth = 4 * runtime.MaxFilterDepth

// Parse parses an expression. An error shows the place of the mistake.
func Parse(source string) (runtime.SearchFilter, error) {
	p := parser{source: source}
	if !utf8.ValidString(source) {
		return runtime.SearchFilter{}, runtime.Errorf(runtime.CodeInvalidArgument, "the expression is not UTF-8").WithHint("encode it as UTF-8, and percent-encode it in a URL")
	}
	p.advance()
	filter := p.expression()
	if p.err == nil && p.token.kind != end {
		p.fail(p.token.at, `put "and" or "or" between two conditions; use double quotes for a value unless it consists of letters, digits and -_.:/@*~+%`,
			"unexpected %v", p.token)
	}
	if p.err != nil {
		return runtime.SearchFilter{}, p.err
	}
	return filter, filter.Validate()
}

func (p *parser) advance() { p.token, p.behind = p.next(p.behind) }

// take consumes a keyword or a symbol, and reports whether it was the next token.
func (p *parser) take(what string) bool {
	if p.err != nil || !p.token.is(what) {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expression() runtime.SearchFilter {
	return p.list("or", runtime.FilterOr, func() runtime.SearchFilter { return p.list("and", runtime.FilterAnd, p.factor) })
}

// list parses filters with a keyword between them.
func (p *parser) list(between string, op runtime.FilterOp, one func() runtime.SearchFilter) runtime.SearchFilter {
	first := one()
	if !p.token.is(between) || p.err != nil {
		return first
	}
	all := runtime.SearchFilter{Op: op, Filters: []runtime.SearchFilter{first}}
	for p.take(between) {
		all.Filters = append(all.Filters, one())
	}
	return all
}

func (p *parser) factor() (filter runtime.SearchFilter) {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.token.at, "write it with fewer parentheses", "the expression is nested too deeply")
	}
	defer func() { p.depth-- }()
	at := p.token.at
	switch {
	case p.err != nil:
		return filter
	case p.take("not"):
		return not(p.factor())
	case p.take("("):
		filter = p.expression()
		if !p.take(")") {
			p.fail(p.token.at, `put a ")" here`, `the "(" at column %d is not closed before %v`, utf8.RuneCountInString(p.source[:at])+1, p.token)
		}
		return filter
	}
	return p.condition()
}

func not(f runtime.SearchFilter) runtime.SearchFilter {
	return runtime.SearchFilter{Op: runtime.FilterNot, Filters: []runtime.SearchFilter{f}}
}

// condition parses a field, an operator and its values.
func (p *parser) condition() (filter runtime.SearchFilter) {
	name := p.token
	i := slices.IndexFunc(fields, func(f named) bool {
		return strings.EqualFold(name.text, f.name) || strings.EqualFold(name.text, string(f.field))
	})
	if name.kind != word || i < 0 {
		p.unknown(name)
		return filter
	}
	p.advance()
	filter.Field = fields[i].field
	op := p.token
	negated := false
	switch {
	case p.take("="), p.take("=="):
		filter.Op = runtime.FilterEq
	case p.take("!="):
		filter.Op, negated = runtime.FilterEq, true
	case p.take(">="):
		filter.Op = runtime.FilterGte
	case p.take("<="):
		filter.Op = runtime.FilterLte
	case p.take("in"):
		filter.Op = runtime.FilterIn
	case p.take("is"):
		filter.Op, negated = runtime.FilterIsNull, p.take("not")
		if !p.take("null") {
			p.fail(p.token.at, `write "is null" or "is not null"`, "%v follows is", p.token)
		}
	case p.take("not"):
		filter.Op, negated = runtime.FilterIn, true
		if !p.take("in") {
			p.fail(p.token.at, `write "not in (...)"`, "%v follows not", p.token)
		}
	default:
		p.fail(op.at, p.takes(i), "%v is not an operator", op)
	}
	// Report the operator here, before the values behind it.
	if err := filter.ValidateField(); err != nil {
		p.fail(op.at, p.takes(i), "%s does not take %s", fields[i].name, p.source[op.at:max(op.at+len(op.text), op.at)])
	}
	p.values(&filter)
	filter = withCancelled(filter)
	if negated {
		return not(filter)
	}
	return filter
}

// withCancelled replaces the status cancelled, which the API does not have: such an execution has
// failed, with the reason cancelled.
func withCancelled(f runtime.SearchFilter) runtime.SearchFilter {
	if f.Field != runtime.FieldStatus {
		return f
	}
	isCancelled := func(value string) bool { return value == string(wire.StatusCancelled) }
	if !slices.ContainsFunc(f.Values, isCancelled) {
		return f
	}
	reason := runtime.SearchFilter{Op: runtime.FilterEq, Field: runtime.FieldReason, Values: []string{string(runtime.ClassCancelled)}}
	if f.Values = slices.DeleteFunc(f.Values, isCancelled); len(f.Values) == 0 {
		return reason
	}
	return runtime.SearchFilter{Op: runtime.FilterOr, Filters: []runtime.SearchFilter{f, reason}}
}

func (p *parser) takes(i int) string {
	hint := fields[i].name + " takes " + fields[i].takes
	if fields[i].field == runtime.FieldDuration {
		hint += ", and a duration such as 500ms, 30s or 1h"
	}
	return hint
}

func (p *parser) unknown(name token) {
	hint := "the fields are " + strings.Join(Fields(), ", ")
	if near := suggest.Closest(name.text, Fields()); near != "" {
		hint = "did you mean " + near + "?"
	}
	if name.kind == word {
		p.fail(name.at, hint, "there is no field %v", name)
		return
	}
	p.fail(name.at, hint, "a condition begins with a field, not with %v", name)
}

// values parses what a condition compares its field with.
func (p *parser) values(filter *runtime.SearchFilter) {
	if p.err != nil {
		return
	}
	switch filter.Op {
	case runtime.FilterEq:
		filter.Values = []string{p.value(filter.Field)}
	case runtime.FilterIn:
		if !p.take("(") {
			p.fail(p.token.at, `write the values like (a, b)`, "%v is not a list of values", p.token)
		}
		for p.err == nil {
			filter.Values = append(filter.Values, p.value(filter.Field))
			if p.take(",") {
				continue
			}
			if !p.take(")") {
				p.fail(p.token.at, `put commas between the values, and a ")" after them`, "unexpected %v in the list of values", p.token)
			}
			break
		}
	case runtime.FilterGte, runtime.FilterLte:
		filter.Millis = p.millis()
	}
}

// value parses one value of a field.
func (p *parser) value(field runtime.SearchField) string {
	t := p.token
	if t.kind != word && t.kind != text {
		p.fail(t.at, `give a value; use double quotes unless it consists of letters, digits and -_.:/@*~+%`, "%v is not a value", t)
		return ""
	}
	value := t.text
	if field == runtime.FieldStatus {
		value = strings.ToUpper(value)
		switch s, _ := wire.ParseStatus(value); s {
		case wire.StatusSuccess:
			value = string(runtime.SummarySucceeded)
		case wire.StatusFailed:
			value = string(runtime.SummaryFailed)
		case wire.StatusCancelled: // see withCancelled
			p.advance()
			return string(wire.StatusCancelled)
		}
	}
	one := runtime.SearchFilter{Op: runtime.FilterEq, Field: field, Values: []string{value}}
	if err := one.Validate(); err != nil {
		hint := ""
		if coded, ok := errors.AsType[*runtime.Error](err); ok {
			hint = coded.Hint
		}
		p.fail(t.at, hint, "%v is not valid here", t)
	}
	p.advance()
	return value
}

// millis parses a duration.
func (p *parser) millis() int64 {
	t := p.token
	d, err := time.ParseDuration(t.text)
	switch {
	case t.kind != word || err != nil:
		p.fail(t.at, "give a duration with its unit, such as 500ms, 30s, 2m or 1h30m", "%v is not a duration", t)
	case d < 0:
		p.fail(t.at, "give a duration that is not negative", "the duration %v is negative", t)
	case d%time.Millisecond != 0:
		p.fail(t.at, "durations are counted in milliseconds", "%v is not a whole number of milliseconds", t)
	}
	p.advance()
	return d.Milliseconds()
}

package filterexpr

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/faaspot/faaspot/cmd/fas/internal/suggest"
	"github.com/faaspot/faaspot/runtime"
)

// named is a field with its name here, and the conditions that it takes.
type named struct {
	name  string
	field runtime.SearchField // as the API calls it, which is a name, too
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

// Fields are the names of all fields.
func Fields() []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return names
}

// parser reads an expression with one token in hand.
type parser struct {
	source string
	token  token
	behind int // offset behind the token
	depth  int
	err    error
}

// maxDepth bounds the nesting while it is read; the filter has a bound of its own.
const maxDepth = 4 * runtime.MaxFilterDepth

// Parse reads an expression. The error says where in it something is wrong.
func Parse(source string) (runtime.SearchFilter, error) {
	p := parser{source: source}
	if !utf8.ValidString(source) {
		return runtime.SearchFilter{}, runtime.Errorf(runtime.CodeInvalidArgument, "the expression is not UTF-8")
	}
	p.advance()
	filter := p.expression()
	if p.err == nil && p.token.kind != end {
		p.fail(p.token.at, `put "and" or "or" between two conditions, and a value with other characters than letters, digits and -_.:/@*~+% in double quotes`,
			"%v is one too many", p.token)
	}
	if p.err != nil {
		return runtime.SearchFilter{}, p.err
	}
	return filter, filter.Validate()
}

func (p *parser) advance() { p.token, p.behind = p.next(p.behind) }

// take passes over a word or a symbol if it is there.
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

// list reads filters with a word between them.
func (p *parser) list(between string, op runtime.FilterOp, one func() runtime.SearchFilter) runtime.SearchFilter {
	first := one()
	if !p.token.is(between) || p.err != nil {
		return first
	}
	all := runtime.SearchFilter{Op: op, Of: []runtime.SearchFilter{first}}
	for p.take(between) {
		all.Of = append(all.Of, one())
	}
	return all
}

func (p *parser) factor() (filter runtime.SearchFilter) {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.token.at, "write it with fewer parentheses", "it is too deep")
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
			p.fail(p.token.at, `put a ")" here`, `the "(" at column %d has no end before %v`, utf8.RuneCountInString(p.source[:at])+1, p.token)
		}
		return filter
	}
	return p.condition()
}

func not(f runtime.SearchFilter) runtime.SearchFilter {
	return runtime.SearchFilter{Op: runtime.FilterNot, Of: []runtime.SearchFilter{f}}
}

// condition reads a field and what is asked of it.
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
			p.fail(p.token.at, `write "is null" or "is not null"`, "%v is not null", p.token)
		}
	case p.take("not"):
		filter.Op, negated = runtime.FilterIn, true
		if !p.take("in") {
			p.fail(p.token.at, `write "not in (...)"`, "%v is not in", p.token)
		}
	default:
		p.fail(op.at, p.takes(i), "%v is no condition", op)
	}
	// Where it goes wrong is here, not at the values behind it.
	if err := filter.Takes(); err != nil {
		p.fail(op.at, p.takes(i), "%s does not take %s", fields[i].name, p.source[op.at:max(op.at+len(op.text), op.at)])
	}
	p.values(&filter)
	if negated {
		return not(filter)
	}
	return filter
}

func (p *parser) takes(i int) string {
	hint := fields[i].name + " takes " + fields[i].takes
	if fields[i].field == runtime.FieldDuration {
		hint += ", and a duration such as 500ms, 30s or 1h"
	}
	return hint
}

func (p *parser) unknown(name token) {
	hint := "there are " + strings.Join(Fields(), ", ")
	if near := suggest.Closest(name.text, Fields()); near != "" {
		hint = "did you mean " + near + "?"
	}
	if name.kind == word {
		p.fail(name.at, hint, "there is no field %v", name)
		return
	}
	p.fail(name.at, hint, "a condition begins with a field, and %v is none", name)
}

// values reads what a condition compares its field with.
func (p *parser) values(filter *runtime.SearchFilter) {
	if p.err != nil {
		return
	}
	switch filter.Op {
	case runtime.FilterEq:
		filter.Values = []string{p.value(filter.Field)}
	case runtime.FilterIn:
		if !p.take("(") {
			p.fail(p.token.at, `write the values like (a, b)`, "%v is no list of values", p.token)
		}
		for p.err == nil {
			filter.Values = append(filter.Values, p.value(filter.Field))
			if p.take(",") {
				continue
			}
			if !p.take(")") {
				p.fail(p.token.at, `put commas between the values, and a ")" behind them`, "the list of values goes on with %v", p.token)
			}
			break
		}
	case runtime.FilterGte, runtime.FilterLte:
		filter.Millis = p.millis()
	}
}

// value reads one value of a field.
func (p *parser) value(field runtime.SearchField) string {
	t := p.token
	if t.kind != word && t.kind != text {
		p.fail(t.at, `give a value; put one with other characters than letters, digits and -_.:/@*~+% in double quotes`, "%v is no value", t)
		return ""
	}
	value := t.text
	if field == runtime.FieldStatus {
		value = strings.ToUpper(value)
	}
	one := runtime.SearchFilter{Op: runtime.FilterEq, Field: field, Values: []string{value}}
	if err := one.Validate(); err != nil {
		hint := ""
		if coded, ok := errors.AsType[*runtime.Error](err); ok {
			hint = coded.Hint
		}
		p.fail(t.at, hint, "%v is not possible here", t)
	}
	p.advance()
	return value
}

// millis reads a duration.
func (p *parser) millis() int64 {
	t := p.token
	d, err := time.ParseDuration(t.text)
	switch {
	case t.kind != word || err != nil:
		p.fail(t.at, "give a duration with its unit, such as 500ms, 30s, 2m or 1h30m", "%v is not a duration", t)
	case d < 0:
		p.fail(t.at, "give one that is not negative", "the duration %v is negative", t)
	case d%time.Millisecond != 0:
		p.fail(t.at, "durations are counted in milliseconds", "%v is not a whole number of milliseconds", t)
	}
	p.advance()
	return d.Milliseconds()
}

package stricttoml

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Error is a violation of TOML, or of the depth that is allowed.
type Error struct {
	Offset int // in the document, in bytes
	Reason string
}

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }

// Parse returns the root table of a TOML document, or an [*Error]. maxDepth bounds the nesting of
// tables and arrays, the root included. The table shares no memory with text.
//
// The parser below it recurses once for each array and inline table of a value, at most 10,000
// times; this package recurses at most maxDepth times.
func Parse(text []byte, maxDepth int) (*Table, error) {
	b := builder{maxDepth: maxDepth, root: &Table{kind: explicit}}
	b.current, b.depth = b.root, 1
	b.parser.Reset(text)
	for b.parser.NextExpression() {
		if err := b.expression(b.parser.Expression()); err != nil {
			return nil, err
		}
	}
	if err := b.parser.Error(); err != nil {
		e := &Error{Reason: reword(err.Error())}
		if p, ok := errors.AsType[*unstable.ParserError](err); ok {
			e.Offset = int(b.parser.Range(p.Highlight).Offset)
		}
		return nil, e
	}
	return b.root, nil
}

// character is a character in a reason of the parser, which takes one byte for it.
var character = regexp.MustCompile(`(:| but got|) U\+[0-9A-F]+( '.')?`)

// reword returns a reason of the parser without the character that it names: Offset leads to it.
func reword(reason string) string {
	reason = character.ReplaceAllString(reason, "")
	return strings.Replace(reason, "invalid character at start of key", "a key cannot start with this character", 1)
}

// builder adds the expressions of a document to its root table.
type builder struct {
	parser   unstable.Parser
	maxDepth int
	root     *Table
	current  *Table // of the latest header
	depth    int    // of current; the root has 1
}

func (b *builder) expression(e *unstable.Node) error {
	if e.Kind == unstable.KeyValue {
		return b.keyValue(b.current, b.depth, e)
	}
	return b.header(e)
}

// header opens the table of a [table] or [[table]] header.
func (b *builder) header(e *unstable.Node) error {
	t, depth := b.root, 1
	for it := e.Key(); it.Next(); {
		key := it.Node()
		if depth++; depth > b.maxDepth {
			return b.tooDeep(key)
		}
		var err error
		switch {
		case !it.IsLast():
			t, depth, err = b.through(t, depth, key)
		case e.Kind == unstable.ArrayTable:
			depth++ // the array is a level of its own
			t, err = b.element(t, depth, key)
		default:
			t, err = b.define(t, key)
		}
		if err != nil {
			return err
		}
	}
	b.current, b.depth = t, depth
	return nil
}

// through returns the table that a part of a header's key names, before the last part, and its
// depth. It adds the table if there is none. An array of tables stands for its last table.
func (b *builder) through(t *Table, depth int, key *unstable.Node) (*Table, int, error) {
	m := t.member(key.Data)
	if m == nil {
		return t.addTable(key.Data, implied), depth, nil
	}
	switch v := m.Value.(type) {
	case *Table:
		if v.kind != inline {
			return v, depth, nil
		}
	case []any:
		if last := lastTable(v); last != nil {
			if depth++; depth > b.maxDepth {
				return nil, 0, b.tooDeep(key)
			}
			return last, depth, nil
		}
	}
	return nil, 0, b.fail(key, "key %s already has a value, which cannot be extended", short(key.Data))
}

// define returns the table that a header defines.
func (b *builder) define(t *Table, key *unstable.Node) (*Table, error) {
	m := t.member(key.Data)
	if m == nil {
		return t.addTable(key.Data, explicit), nil
	}
	if v, ok := m.Value.(*Table); ok && v.kind == implied {
		v.kind = explicit
		return v, nil
	}
	return nil, b.fail(key, "key %s is already defined", short(key.Data))
}

// element appends a table to the array of tables that a header names.
func (b *builder) element(t *Table, depth int, key *unstable.Node) (*Table, error) {
	if depth > b.maxDepth {
		return nil, b.tooDeep(key)
	}
	added := &Table{kind: element}
	m := t.member(key.Data)
	if m == nil {
		t.add(key.Data, []any{added})
		return added, nil
	}
	list, _ := m.Value.([]any)
	if lastTable(list) == nil {
		return nil, b.fail(key, "key %s is already defined, and is not an array of tables", short(key.Data))
	}
	m.Value = append(list, added)
	return added, nil
}

// keyValue adds the value of a key, which may be dotted, to a table of a depth.
func (b *builder) keyValue(t *Table, depth int, e *unstable.Node) error {
	for it := e.Key(); it.Next(); {
		key := it.Node()
		m := t.member(key.Data)
		if it.IsLast() {
			if m != nil {
				return b.fail(key, "key %s is already defined", short(key.Data))
			}
			value, err := b.value(e.Value(), depth, int(e.Raw.Offset))
			if err == nil {
				t.add(key.Data, value)
			}
			return err
		}
		if depth++; depth > b.maxDepth {
			return b.tooDeep(key)
		}
		if m == nil {
			t = t.addTable(key.Data, dotted)
			continue
		}
		inner, ok := m.Value.(*Table)
		if !ok || inner.kind != dotted {
			return b.fail(key, "key %s is already defined", short(key.Data))
		}
		t = inner
	}
	return nil
}

// value returns a value inside a container of a depth. at is the offset of the expression, for
// errors: arrays have no offset of their own.
func (b *builder) value(v *unstable.Node, depth, at int) (any, error) {
	if v.Raw.Offset > 0 {
		at = int(v.Raw.Offset)
	}
	var value any
	var err error
	switch v.Kind {
	case unstable.InlineTable:
		if depth++; depth > b.maxDepth {
			return nil, b.tooDeepAt(at)
		}
		t := &Table{kind: inline}
		for it := v.Children(); it.Next(); {
			if err := b.keyValue(t, depth, it.Node()); err != nil {
				return nil, err
			}
		}
		return t, nil
	case unstable.Array:
		if depth++; depth > b.maxDepth {
			return nil, b.tooDeepAt(at)
		}
		list := []any{}
		for it := v.Children(); it.Next(); {
			element, err := b.value(it.Node(), depth, at)
			if err != nil {
				return nil, err
			}
			list = append(list, element)
		}
		return list, nil
	case unstable.String:
		return string(v.Data), nil
	case unstable.Bool:
		return v.Data[0] == 't', nil
	case unstable.Integer:
		value, err = parseInteger(v.Data)
	case unstable.Float:
		value, err = parseFloat(v.Data)
	default:
		value, err = parseTime(v.Kind, v.Data)
	}
	if err != nil {
		return nil, &Error{at, err.Error()}
	}
	return value, nil
}

func (b *builder) fail(key *unstable.Node, format string, args ...any) error {
	return &Error{int(key.Raw.Offset), fmt.Sprintf(format, args...)}
}

func (b *builder) tooDeep(key *unstable.Node) error { return b.tooDeepAt(int(key.Raw.Offset)) }

func (b *builder) tooDeepAt(offset int) error {
	return &Error{offset, fmt.Sprintf("nested more than %d deep", b.maxDepth)}
}

// short returns the beginning of a key, for messages.
func short(key []byte) string {
	if len(key) > 100 {
		return string(key[:100]) + "..."
	}
	return string(key)
}

package stricttoml

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

// kind is how a table was defined, which decides what may extend it.
type kind uint8

const (
	implied  kind = iota // by the header of a table inside it
	explicit             // by a header of its own
	element              // by a header of an array of tables
	dotted               // by a dotted key
	inline               // as a value
)

// indexed is the number of members beyond which a table has an index. Most tables are small, and a
// map for each would take five times the memory.
const indexed = 8

// Table is a table of a document.
type Table struct {
	Members []Member         // in the order of the document
	index   map[string]int32 // into Members, if there are more than [indexed]
	kind    kind
}

// Member is a key of a table with its value, which is a string, a bool, an int64, a float64, a
// [Time], a *Table, or a []any with such values.
type Member struct {
	Name  string
	Value any
}

// member returns the member of a name, or nil. It is valid until the next one is added.
func (t *Table) member(name []byte) *Member {
	if t.index != nil {
		if i, ok := t.index[string(name)]; ok {
			return &t.Members[i]
		}
		return nil
	}
	for i := range t.Members {
		if t.Members[i].Name == string(name) {
			return &t.Members[i]
		}
	}
	return nil
}

// add adds a member that the table does not have.
func (t *Table) add(name []byte, value any) {
	t.Members = append(t.Members, Member{string(name), value})
	switch n := len(t.Members); {
	case t.index != nil:
		t.index[t.Members[n-1].Name] = int32(n - 1)
	case n > indexed:
		t.index = make(map[string]int32, 4*indexed)
		for i, m := range t.Members {
			t.index[m.Name] = int32(i)
		}
	}
}

func (t *Table) addTable(name []byte, k kind) *Table {
	inner := &Table{kind: k}
	t.add(name, inner)
	return inner
}

// lastTable returns the last table of an array of tables; nil if the list is a value.
func lastTable(list []any) *Table {
	if len(list) == 0 {
		return nil
	}
	if t, ok := list[len(list)-1].(*Table); ok && t.kind == element {
		return t
	}
	return nil
}

// Map returns the members of the table by name, with maps for the tables inside it.
func (t *Table) Map() map[string]any {
	m := make(map[string]any, len(t.Members))
	for _, member := range t.Members {
		m[member.Name] = plain(member.Value)
	}
	return m
}

func plain(value any) any {
	switch v := value.(type) {
	case *Table:
		return v.Map()
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	}
	return value
}

// JSON returns the table as a JSON object, with the members in the order of the document. Dates and times become strings. It fails for numbers that JSON cannot express.
func (t *Table) JSON() ([]byte, error) {
	var w jsonWriter
	w.scalars = json.NewEncoder(&w.out)
	w.scalars.SetEscapeHTML(false)
	if names := w.value(t); names != nil {
		slices.Reverse(names)
		return nil, fmt.Errorf("%q is infinite or not a number, which JSON cannot express", strings.Join(names, "."))
	}
	return w.out.Bytes(), nil
}

// jsonWriter appends values to out. Its methods return nil, or the path of a number that JSON
// cannot express, the innermost name first.
type jsonWriter struct {
	out     bytes.Buffer
	scalars *json.Encoder // to out
}

func (w *jsonWriter) value(value any) []string {
	switch v := value.(type) {
	case *Table:
		return w.table(v)
	case []any:
		w.out.WriteByte('[')
		for i, element := range v {
			if i > 0 {
				w.out.WriteByte(',')
			}
			if names := w.value(element); names != nil {
				return names
			}
		}
		w.out.WriteByte(']')
		return nil
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return []string{}
		}
		value = FloatJSON(v)
	}
	w.scalar(value)
	return nil
}

func (w *jsonWriter) table(t *Table) []string {
	w.out.WriteByte('{')
	for i, m := range t.Members {
		if i > 0 {
			w.out.WriteByte(',')
		}
		w.scalar(m.Name)
		w.out.WriteByte(':')
		if names := w.value(m.Value); names != nil {
			return append(names, m.Name)
		}
	}
	w.out.WriteByte('}')
	return nil
}

// scalar writes a string, number or boolean, which cannot fail.
func (w *jsonWriter) scalar(v any) {
	_ = w.scalars.Encode(v)
	w.out.Truncate(w.out.Len() - 1) // the newline
}

package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/faaspot/faaspot/runtime"
)

// fields are the members of a JSON object in a body. Each is read once, by its
// name; null is as good as absent. What is left at the end is unknown, and an
// error. The first error is kept, for the whole body; after it nothing is read.
type fields struct {
	path string // of the object, such as "spec.runtime"; empty: the body
	left map[string]json.RawMessage
	err  *error
}

// readFields reads a body. The error is where those of all fields within go.
func readFields(body []byte) (*fields, error) {
	members, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	return &fields{left: members, err: new(error)}, nil
}

func (f *fields) at(key string) string {
	if f.path == "" {
		return key
	}
	return f.path + "." + key
}

// fail keeps an error about a member, if it is the first.
func (f *fields) fail(key, format string, args ...any) {
	f.failWith("", key, format, args...)
}

// failWith is fail with a hint.
func (f *fields) failWith(hint, key, format string, args ...any) {
	if *f.err == nil {
		*f.err = runtime.Errorf(runtime.CodeInvalidArgument, "%s %s", f.at(key), fmt.Sprintf(format, args...)).WithHint(hint)
	}
}

// take gives a member, nil if it is absent.
func (f *fields) take(key string) json.RawMessage {
	raw := f.left[key]
	delete(f.left, key)
	if isNull(raw) || *f.err != nil {
		return nil
	}
	return raw
}

// has tells whether a member is there that was not read.
func (f *fields) has(key string) bool { return !isNull(f.left[key]) }

// read reads a member into v; false: it is absent, or something else.
func (f *fields) read(key, kind string, v any) bool {
	raw := f.take(key)
	if raw == nil {
		return false
	}
	if json.Unmarshal(raw, v) != nil {
		f.fail(key, "is not %s", kind)
		return false
	}
	return true
}

func (f *fields) text(key string) (s string) {
	f.read(key, "a string", &s)
	return s
}

// flag gives fallback for what is absent.
func (f *fields) flag(key string, fallback bool) bool {
	f.read(key, "true or false", &fallback)
	return fallback
}

// number gives 0 for what is absent, and otherwise a number from low to high.
func (f *fields) number(key string, low, high float64) (n float64) {
	if f.read(key, "a number", &n) && !(n >= low && n <= high) {
		f.failWith(fmt.Sprintf("give a number between %g and %g", low, high), key, "of %g is out of bounds", n)
		return 0
	}
	return n
}

// whole is number for whole ones.
func (f *fields) whole(key string, low, high int) int {
	number := f.number(key, float64(low), float64(high))
	n := int(number)
	if float64(n) != number {
		f.fail(key, "of %g is not a whole number", number)
	}
	return n
}

// object gives a member's own members: none if it is absent.
func (f *fields) object(key string) *fields {
	inner := &fields{path: f.at(key), err: f.err}
	f.read(key, "an object", &inner.left)
	return inner
}

// array gives the elements of a member; nil if it is absent.
func (f *fields) array(key string) (elements []json.RawMessage) {
	f.read(key, "an array", &elements)
	return elements
}

// objects gives the members of each of the objects in an array.
func (f *fields) objects(key string) []*fields {
	var all []*fields
	for i, raw := range f.array(key) {
		inner := &fields{path: fmt.Sprintf("%s[%d]", f.at(key), i), err: f.err}
		if isNull(raw) || json.Unmarshal(raw, &inner.left) != nil {
			f.fail(key, "has something else than objects, at %d", i)
			return nil
		}
		all = append(all, inner)
	}
	return all
}

// texts gives a member that is an object whose members are strings.
func (f *fields) texts(key string) (all map[string]string) {
	inner := f.object(key)
	for _, name := range slices.Sorted(maps.Keys(inner.left)) {
		if all == nil {
			all = make(map[string]string)
		}
		if isNull(inner.left[name]) {
			inner.fail(name, "is not a string")
		}
		all[name] = inner.text(name)
	}
	return all
}

// ignore passes over members.
func (f *fields) ignore(keys ...string) {
	for _, key := range keys {
		delete(f.left, key)
	}
}

// refuse fails if a member says anything: if it is neither absent nor empty.
func (f *fields) refuse(key, why, hint string) {
	switch string(f.take(key)) {
	case "", `""`, "0", "false", "[]", "{}":
	default:
		f.failWith(hint, key, "%s", why)
	}
}

// end fails if a member was not read.
func (f *fields) end() error {
	if *f.err == nil && len(f.left) > 0 {
		f.failWith("check the spelling, or leave it out", slices.Min(slices.Collect(maps.Keys(f.left))), "is not known here")
	}
	return *f.err
}

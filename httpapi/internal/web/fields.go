package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// Fields reads the members of a JSON object in a body. Each member is read once, by its name;
// null counts as absent. Members that are not read are unknown, which End reports. The first
// error is the error of the whole body: after it, all reads return zero values.
type Fields struct {
	path   string // of the object, such as "spec.runtime"; empty: the body
	quoted bool   // whether errors quote the names of members
	left   map[string]json.RawMessage
	err    *error          // shared by all objects of a body
	all    *runtime.Errors // nil: only the first error counts; else all of a body, shared
}

// ReadFields reads the object in a body.
func ReadFields(body []byte) (*Fields, error) {
	members, err := ParseObject(body)
	if err != nil {
		return nil, err
	}
	return FieldsOf(members), nil
}

// FieldsOf reads an object that was parsed, and which it changes.
func FieldsOf(members map[string]json.RawMessage) *Fields {
	return &Fields{left: members, err: new(error)}
}

// ReadObject reads the object at a path of a body; ok is false if there is none.
func ReadObject(path string, raw json.RawMessage) (f *Fields, ok bool) {
	f = &Fields{path: path, err: new(error)}
	return f, json.Unmarshal(raw, &f.left) == nil && f.left != nil
}

// Quoted makes errors quote the names of members, as those of the faaspot dialect do.
func (f *Fields) Quoted() *Fields {
	f.quoted = true
	return f
}

func (f *Fields) at(key string) string {
	switch {
	case f.path != "":
		return f.path + "." + key
	case f.quoted:
		return strconv.Quote(key)
	}
	return key
}

// Collect makes the object, and those in it, collect all errors. Members are then read after an error,
// too.
func (f *Fields) Collect() *Fields {
	f.all = new(runtime.Errors)
	return f
}

// Err returns the first error, which carries the others that were collected.
func (f *Fields) Err() error {
	if f.all != nil {
		return f.all.Err()
	}
	return *f.err
}

// Abort records an error about the body, unless there is one.
func (f *Fields) Abort(err error) {
	if f.all != nil {
		f.all.Add("", err)
		return
	}
	if *f.err == nil {
		*f.err = err
	}
}

// AbortIf records an error about the body, unless there is one, or err is nil.
func (f *Fields) AbortIf(err error) {
	if err != nil {
		f.Abort(err)
	}
}

// Fail records an error about a member, unless there is one.
func (f *Fields) Fail(key, format string, args ...any) {
	f.FailHint("", key, format, args...)
}

// FailHint is Fail with a hint.
func (f *Fields) FailHint(hint, key, format string, args ...any) {
	err := runtime.Errorf(runtime.CodeInvalidArgument, "%s %s", f.at(key), fmt.Sprintf(format, args...)).WithHint(hint)
	err.Path = f.at(key)
	f.Abort(err)
}

// Names returns the names of the members that were not read, sorted.
func (f *Fields) Names() []string { return slices.Sorted(maps.Keys(f.left)) }

// Take returns a member, nil if it is absent.
func (f *Fields) Take(key string) json.RawMessage {
	raw := f.left[key]
	delete(f.left, key)
	if IsNull(raw) || *f.err != nil {
		return nil
	}
	return raw
}

// Has reports whether the object has a member that was not read.
func (f *Fields) Has(key string) bool { return !IsNull(f.left[key]) }

// Null reports whether the object has a member that was not read, and that is null.
func (f *Fields) Null(key string) bool {
	raw, found := f.left[key]
	return found && IsNull(raw)
}

// Len returns the number of members that were not read, nulls included.
func (f *Fields) Len() int { return len(f.left) }

// Read decodes a member into v. It returns false if the member is absent, or is not of the
// kind.
func (f *Fields) Read(key, kind string, v any) bool {
	raw := f.Take(key)
	if raw == nil {
		return false
	}
	if json.Unmarshal(raw, v) != nil {
		f.Fail(key, "is not %s", kind)
		return false
	}
	return true
}

// Text returns a string, empty if it is absent.
func (f *Fields) Text(key string) (s string) {
	f.Read(key, "a string", &s)
	return s
}

// Flag returns a boolean, fallback if it is absent.
func (f *Fields) Flag(key string, fallback bool) bool {
	f.Read(key, "true or false", &fallback)
	return fallback
}

// Number returns a number from low to high, 0 if it is absent.
func (f *Fields) Number(key string, low, high float64) (n float64) {
	if f.Read(key, "a number", &n) && !(n >= low && n <= high) {
		f.FailHint(fmt.Sprintf("give a number between %s and %s", plain(low), plain(high)), key, "of %s is out of bounds", plain(n))
		return 0
	}
	return n
}

// plain returns a number as people write it, unless it has very many digits.
func plain(n float64) string {
	if math.Abs(n) < 1e18 {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return fmt.Sprint(n)
}

// Duration returns a time of 0 to high, which is a number of seconds or a text such as "30m", 0 if it
// is absent.
func (f *Fields) Duration(key string, high time.Duration) time.Duration {
	raw := f.Take(key)
	if raw == nil {
		return 0
	}
	const hint = `give seconds, such as 90, or a text, such as "30m"`
	var text string
	var seconds float64
	switch {
	case json.Unmarshal(raw, &seconds) == nil:
	case json.Unmarshal(raw, &text) == nil:
		d, err := time.ParseDuration(text)
		if err != nil {
			f.FailHint(hint, key, "of %.100q is not a duration", text)
			return 0
		}
		seconds = d.Seconds()
	default:
		f.FailHint(hint, key, "is neither a number nor a duration")
		return 0
	}
	// The check comes before the conversion: the number may be too large for a Duration.
	if !(seconds >= 0 && seconds <= high.Seconds()) {
		f.FailHint(fmt.Sprintf("give at most %.0f seconds", high.Seconds()), key, "of %g seconds is out of bounds", seconds)
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}

// Whole returns a whole number from low to high, 0 if it is absent.
func (f *Fields) Whole(key string, low, high int) int {
	number := f.Number(key, float64(low), float64(high))
	n := int(number)
	if float64(n) != number {
		f.Fail(key, "of %g is not a whole number", number)
	}
	return n
}

// Object returns the members of an object, none if it is absent.
func (f *Fields) Object(key string) *Fields {
	inner := &Fields{path: f.at(key), err: f.err, all: f.all}
	if raw := f.Take(key); raw != nil {
		var ok bool
		if inner.left, ok = splitObject(raw, maxMembers); !ok {
			f.Fail(key, "is not an object, or has more than %d members", maxMembers)
		}
	}
	return inner
}

// Array returns the elements of an array, nil if it is absent, and at most one more than
// [runtime.MaxBulk], which no array may have.
func (f *Fields) Array(key string) (elements []json.RawMessage) {
	if raw := f.Take(key); raw != nil {
		var ok bool
		if elements, ok = SplitArray(raw, runtime.MaxBulk); !ok {
			f.Fail(key, "is not an array")
		}
	}
	return elements
}

// Objects returns the members of each object in an array.
func (f *Fields) Objects(key string) []*Fields {
	var all []*Fields
	for i, raw := range f.Array(key) {
		inner := &Fields{path: fmt.Sprintf("%s[%d]", f.at(key), i), err: f.err, all: f.all}
		var ok bool
		if inner.left, ok = splitObject(raw, maxMembers); !ok || i == runtime.MaxBulk {
			f.Fail(key, "has an item that is not an object, at index %d", i)
			return nil
		}
		all = append(all, inner)
	}
	return all
}

// Texts returns the members of an object that has only strings, nil if it has none.
func (f *Fields) Texts(key string) (all map[string]string) {
	inner := f.Object(key)
	for _, name := range slices.Sorted(maps.Keys(inner.left)) {
		if all == nil {
			all = make(map[string]string)
		}
		if IsNull(inner.left[name]) {
			inner.Fail(name, "is not a string")
		}
		all[name] = inner.Text(name)
	}
	return all
}

// Ignore skips members.
func (f *Fields) Ignore(keys ...string) {
	for _, key := range keys {
		delete(f.left, key)
	}
}

// Refuse fails if a member is neither absent nor empty.
func (f *Fields) Refuse(key, why, hint string) {
	switch string(f.Take(key)) {
	case "", `""`, "0", "false", "[]", "{}":
	default:
		f.FailHint(hint, key, "%s", why)
	}
}

// End returns the first error, as [Fields.Err] does. Members that were not read are errors.
func (f *Fields) End() error {
	for _, key := range slices.Sorted(maps.Keys(f.left)) {
		if *f.err != nil {
			break
		}
		f.FailHint("check the spelling, or leave it out", key, "is not known here")
	}
	return f.Err()
}

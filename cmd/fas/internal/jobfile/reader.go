package jobfile

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/stricttoml"
	"github.com/faaspot/faaspot/runtime/suggest"
)

// reader reads the tables of a file, and collects its errors by their paths in the file.
type reader struct {
	file *File
	env  func(string) (string, bool)
	errs runtime.Errors
}

// table has the members of a table that were not read yet. Each is read once, by its name. Members
// that are left at the end are unknown, which is an error.
type table struct {
	*reader
	path  string // in the file; empty: the file itself
	left  map[string]any
	known []string // names of members that were read, or are absent
	// absent are errors about absent members, which end records behind those about unknown ones: one of
	// these may be the absent one, mistyped.
	absent []absence
}

// absence is an error about an absent member.
type absence struct {
	path string
	err  error
}

func (r *reader) table(path string, members map[string]any) *table {
	return &table{reader: r, path: path, left: members}
}

func (t *table) at(key string) string {
	if t.path == "" {
		return key
	}
	return t.path + "." + key
}

func (t *table) has(key string) bool { _, ok := t.left[key]; return ok }

func (t *table) take(key string) any {
	t.known = append(t.known, key)
	v := t.left[key]
	delete(t.left, key)
	return v
}

// fail records an error about a member.
func (t *table) fail(key, hint, format string, args ...any) {
	t.errs.Add(t.at(key), wrong(t.file.path, t.file.places.of(t.at(key)), hint, format, args...))
}

// failHere records an error about the table itself.
func (t *table) failHere(hint, format string, args ...any) {
	t.errs.Add(t.path, wrong(t.file.path, t.file.places.of(t.path), hint, format, args...))
}

// missing notes an error about an absent member, at the place of the table, which end records.
func (t *table) missing(key, hint string) {
	t.absent = append(t.absent, absence{t.at(key), wrong(t.file.path, t.file.places.of(t.path), hint, "%s is missing", t.at(key))})
}

// kind returns the name of a value's TOML type.
func kind(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case int64:
		return "a whole number"
	case float64:
		return "a number"
	case bool:
		return "true or false"
	case []any:
		return "an array"
	case map[string]any:
		return "a table"
	}
	return "a date or time"
}

// get reads a member of a type. ok is false if it is absent, or of another type.
func get[T any](t *table, key, want string) (v T, ok bool) {
	raw := t.take(key)
	if raw == nil {
		return v, false
	}
	if v, ok = raw.(T); !ok {
		t.fail(key, "give "+want, "%s is %s, not %s", t.at(key), kind(raw), want)
	}
	return v, ok
}

func (t *table) text(key string) string {
	s, _ := get[string](t, key, "a string")
	return s
}

// oneOf reads a text that must be one of words, empty if it is absent.
func (t *table) oneOf(key string, words ...string) string {
	s := t.text(key)
	if s != "" && !slices.Contains(words, s) {
		hint := "use " + strings.Join(words, ", ")
		if near := suggest.Closest(s, words); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		t.fail(key, hint, "%s cannot be %q", t.at(key), s)
	}
	return s
}

// flag reads a boolean, fallback if it is absent.
func (t *table) flag(key string, fallback bool) bool {
	if v, ok := get[bool](t, key, "true or false"); ok {
		return v
	}
	return fallback
}

// number reads a number from low to high, 0 if it is absent.
func (t *table) number(key string, low, high float64, unit string) float64 {
	raw := t.take(key)
	var n float64
	switch v := raw.(type) {
	case nil:
		return 0
	case int64:
		n = float64(v)
	case float64:
		n = v
	default:
		t.fail(key, fmt.Sprintf("give a number of %s", unit), "%s is %s, not a number", t.at(key), kind(raw))
		return 0
	}
	t.bounds(key, n, low, high, unit)
	return n
}

func (t *table) bounds(key string, n, low, high float64, unit string) {
	if unit != "" {
		unit = " " + unit
	}
	if !(n >= low && n <= high) { // also refuses NaN
		t.fail(key, fmt.Sprintf("give %g to %g%s", low, high, unit), "%s of %g%s is out of bounds", t.at(key), n, unit)
	}
}

// whole reads a whole number from low to high, 0 if it is absent.
func (t *table) whole(key string, low, high int) int {
	n, ok := get[int64](t, key, "a whole number")
	if ok {
		t.bounds(key, float64(n), float64(low), float64(high), "")
	}
	return int(n)
}

// duration reads seconds, as a number or as text such as "2m"; 0 if it is absent.
func (t *table) duration(key string, low, high float64) float64 {
	text, ok := t.left[key].(string)
	if !ok {
		return t.number(key, low, high, "seconds")
	}
	t.take(key)
	d, err := time.ParseDuration(text)
	if err != nil {
		t.fail(key, `give seconds, such as 90, or a duration, such as "2m"`, "%s of %q is not a duration", t.at(key), text)
		return 0
	}
	t.bounds(key, d.Seconds(), low, high, "seconds")
	return d.Seconds()
}

// inner returns the table of a member, an empty one if it is absent.
func (t *table) inner(key string) *table {
	members, _ := get[map[string]any](t, key, "a table")
	return t.table(t.at(key), members)
}

// tables returns the tables in an array.
func (t *table) tables(key string) (all []*table) {
	elements, _ := get[[]any](t, key, "an array of tables")
	for i, element := range elements {
		members, ok := element.(map[string]any)
		inner := t.table(fmt.Sprintf("%s[%d]", t.at(key), i), members)
		if !ok {
			inner.failHere("begin each with [["+t.at(key)+"]]", "%s is %s, not a table", inner.path, kind(element))
			return nil
		}
		all = append(all, inner)
	}
	return all
}

// texts returns the members of a table of strings.
func (t *table) texts(key string) map[string]string {
	inner := t.inner(key)
	var all map[string]string
	for _, name := range slices.Sorted(maps.Keys(inner.left)) {
		if all == nil {
			all = make(map[string]string)
		}
		all[name] = inner.text(name)
	}
	return all
}

// secret reads a string, or a table with the string or the name of the environment variable that
// holds it, and with whether it is a secret.
func (t *table) secret(key string) (value string, secret bool) {
	members, ok := t.left[key].(map[string]any)
	if !ok {
		return t.text(key), false
	}
	t.take(key)
	in := t.table(t.at(key), members)
	from, has := in.text("from_env"), in.has("value")
	value = in.text("value")
	secret = in.flag("secret", from != "")
	switch {
	case (from != "") == has:
		t.fail(key, `write { value = "...", secret = true } or { from_env = "NAME" }`, "%s must have one of value and from_env", in.path)
	case from != "":
		if value, ok = t.env(from); !ok {
			in.fail("from_env", "set it, and repeat the command", "the variable %s is not set", from)
		}
	}
	in.end()
	return value, secret
}

// objects returns the JSON of the tables in an array.
func (t *table) objects(key string) (all []json.RawMessage) {
	elements, _ := get[[]any](t, key, "an array of tables")
	for i, element := range elements {
		path := fmt.Sprintf("%s[%d]", t.at(key), i)
		inner := t.table(path, nil)
		if _, ok := element.(map[string]any); !ok {
			inner.failHere(`each task is a table, such as { name = "you" }`, "%s is %s, not a table", path, kind(element))
			return nil
		}
		if !t.plain(path, element) {
			return nil
		}
		text, err := json.Marshal(withFloats(element))
		if err != nil {
			inner.failHere("", "%s: %v", path, err)
			return nil
		}
		all = append(all, text)
	}
	return all
}

// withFloats replaces floats, which package json writes as integers if they are whole.
func withFloats(v any) any {
	switch v := v.(type) {
	case float64:
		return stricttoml.FloatJSON(v)
	case []any:
		for i := range v {
			v[i] = withFloats(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = withFloats(v[name])
		}
	}
	return v
}

// plain reports whether a value can be encoded as JSON, and records an error if it cannot.
func (t *table) plain(path string, v any) bool {
	ok := true
	switch v := v.(type) {
	case string, bool, int64, stricttoml.Time: // a date or time becomes a string, as in a context
	case float64:
		ok = !math.IsNaN(v) && !math.IsInf(v, 0)
	case []any:
		for i, element := range v {
			if !t.plain(fmt.Sprintf("%s[%d]", path, i), element) {
				return false
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if !t.plain(path+"."+name, v[name]) {
				return false
			}
		}
	default:
		ok = false
	}
	if !ok {
		t.errs.Add(path, wrong(t.file.path, t.file.places.of(path), "write it as a string", "%s is %s, which JSON does not have", path, kind(v)))
	}
	return ok
}

// end records an error for each member that was not read, in the order of the file, and for those that are absent.
func (t *table) end() {
	unknown := slices.SortedFunc(maps.Keys(t.left), func(a, b string) int {
		x, y := t.file.places.of(t.at(a)), t.file.places.of(t.at(b))
		return cmp.Or(cmp.Compare(x.line, y.line), cmp.Compare(x.column, y.column), cmp.Compare(a, b))
	})
	for _, key := range unknown {
		hint := "use one of " + strings.Join(t.known, ", ")
		if near := suggest.Closest(key, t.known); near != "" {
			hint = fmt.Sprintf("did you mean %s?", near)
		}
		t.fail(key, hint, "%s is not known here", t.at(key))
	}
	for _, a := range t.absent {
		t.errs.Add(a.path, a.err)
	}
}

package strictjson

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

const (
	// maxNameShown is the largest number of bytes shown of one member name, and maxPathShown of
	// each of the two ends of a path.
	maxNameShown = 40
	maxPathShown = 120
)

// Error reports where and why a document is not strict JSON. Its texts are suitable for the author
// of the document.
type Error struct {
	Offset int    // in bytes, from 0
	Path   string // such as $.items[3]["first name"]; long names and paths are shortened with an ellipsis
	Reason string // such as "a digit should be here"
}

// Error returns path, reason and offset.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s (byte %d)", e.Path, e.Reason, e.Offset)
}

// failure is an Error under construction: while the recursion returns, every array and object adds
// its step of the path, innermost first.
type failure struct {
	offset int
	reason string
	steps  []string
}

func fail(offset int, reason string) *failure {
	return &failure{offset: offset, reason: reason}
}

func (f *failure) inItem(n int) *failure {
	f.steps = append(f.steps, "["+strconv.Itoa(n)+"]")
	return f
}

func (f *failure) inMember(name []byte) *failure {
	f.steps = append(f.steps, step(name))
	return f
}

func (f *failure) export() *Error {
	path := []byte("$")
	for i := len(f.steps) - 1; i >= 0; i-- {
		path = append(path, f.steps[i]...)
	}
	return &Error{Offset: f.offset, Path: shorten(string(path)), Reason: f.reason}
}

// shorten removes the middle of a long path, because its ends are the most useful.
func shorten(path string) string {
	if len(path) <= 2*maxPathShown {
		return path
	}
	head, tail := maxPathShown, len(path)-maxPathShown
	for !utf8.RuneStart(path[head]) {
		head--
	}
	for !utf8.RuneStart(path[tail]) {
		tail++
	}
	return path[:head] + "…" + path[tail:]
}

// step returns a member name as a step of a path: .name if it reads as a word, else quoted.
func step(name []byte) string {
	more := ""
	if len(name) > maxNameShown {
		end := maxNameShown
		for !utf8.RuneStart(name[end]) {
			end--
		}
		name, more = name[:end], "…"
	}
	word := len(name) > 0
	for i, b := range name {
		word = word && (b == '_' || b|0x20 >= 'a' && b|0x20 <= 'z' || i > 0 && b >= '0' && b <= '9')
	}
	if word {
		return "." + string(name) + more
	}
	return "[" + strconv.Quote(string(name)+more) + "]"
}

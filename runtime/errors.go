package runtime

import (
	"slices"
	"strings"
)

// MaxErrors bounds the errors that are reported of one request.
const MaxErrors = 20

// Errors collects what is wrong with a request, at most [MaxErrors] errors. Each is about a member,
// and only the first error about a member is kept: further ones may follow from it. So are errors
// about members around it, and inside of it.
type Errors struct{ all []*Error }

// Add adds an error about the member at path, and the errors that it carries itself. It does nothing
// if err is nil. An error that has a path keeps it.
func (e *Errors) Add(path string, err error) {
	if err == nil {
		return
	}
	coded, ok := AsError(err)
	if !ok {
		coded = Internal("runtime.errors", err)
	}
	for _, one := range append([]*Error{coded}, coded.More...) {
		one := *one
		one.More = nil
		if one.Path == "" {
			one.Path = path
		}
		if len(e.all) < MaxErrors && !slices.ContainsFunc(e.all, func(other *Error) bool {
			return within(one.Path, other.Path) || within(other.Path, one.Path)
		}) {
			e.all = append(e.all, &one)
		}
	}
}

// within reports whether the member at a path is the one at outer, or a part of it.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[') && outer != ""
}

// Err returns the first error, which carries the others; nil if there is none.
func (e *Errors) Err() error {
	if len(e.all) == 0 {
		return nil
	}
	first := *e.all[0]
	first.More = slices.Clone(e.all[1:])
	return &first
}

package runtime

import (
	"slices"
	"strconv"
)

// VersionDetail is a version of a function, and whether it is the current one.
type VersionDetail struct {
	Version
	Current bool
}

// VersionSummary is a version without its source and context.
type VersionSummary struct {
	Version      // without Source and Context
	SourceBytes  int
	ContextBytes int
}

// Tag identifies the current version of the function. No other version of a function has it, also
// not one of a later function with the same name.
func (f *Function) Tag() string { return f.ID + "." + strconv.FormatUint(f.Version, 10) }

// Precondition says what must be true of a function before it changes. Its zero value is always
// true.
type Precondition struct {
	Absent bool     // no function has the name
	Exists bool     // a function has the name
	Tags   []string // with Exists: the function has one of these tags; empty: any
}

// Check returns an error if the condition is not true of the function with a name; nil: there is
// none. The error is CodePrecondition.
func (p Precondition) Check(name string, f *Function) error {
	switch {
	case f == nil && p.Exists:
		return Errorf(CodePrecondition, "there is no function named %q", name).WithHint("leave If-Match out to create it")
	case f != nil && p.Absent:
		return Errorf(CodePrecondition, "a function named %q already exists", name).WithHint("leave If-None-Match out to update it")
	case f != nil && p.Exists && len(p.Tags) > 0 && !slices.Contains(p.Tags, f.Tag()):
		return Errorf(CodePrecondition, "the function %q was changed: it is at version %d now", name, f.Version).
			WithHint("get the function again, and send the change with its new ETag")
	}
	return nil
}

package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/strictjson"
)

// TextError says what is wrong with a text that the caller wrote.
type TextError struct {
	Line   int // from 1; 0: unknown
	Reason string
}

// Error returns the reason with its line.
func (e *TextError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
	}
	return e.Reason
}

// CheckObject returns a *TextError unless text is a JSON object that every parser reads in
// the same way.
func CheckObject(text []byte) error { return check(text, strictjson.Options{Object: true}) }

// CheckText is CheckObject for JSON of any type.
func CheckText(text []byte) error { return check(text, strictjson.Options{}) }

func check(text []byte, o strictjson.Options) error {
	err := strictjson.Check(text, o)
	if e, ok := errors.AsType[*strictjson.Error](err); ok {
		return &TextError{Line: lineAt(text, e.Offset), Reason: e.Path + ": " + e.Reason}
	}
	return err
}

// lineAt returns the line of an offset, from 1.
func lineAt(text []byte, offset int) int {
	return 1 + bytes.Count(text[:min(offset, len(text))], []byte("\n"))
}

// maxMembers bounds the members of an object whose members have a meaning here, and of which a few
// are known.
const maxMembers = 10_000

// CheckBody returns the error for a body that is not a JSON object.
func CheckBody(body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return runtime.Errorf(runtime.CodeInvalidArgument, "the body is empty").WithHint("send a JSON object")
	}
	if err := CheckObject(body); err != nil {
		return BodyError(err)
	}
	return nil
}

// ParseObject splits the JSON object in a body into its members, which are parts of the body.
func ParseObject(body []byte) (map[string]json.RawMessage, error) {
	if err := CheckBody(body); err != nil {
		return nil, err
	}
	members, ok := splitObject(body, maxMembers)
	if !ok {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the object in the body has more than %d members", maxMembers).
			WithHint("leave out the members that this request does not have")
	}
	return members, nil
}

// BodyError returns the error for a body that is not a JSON object.
func BodyError(err error) error {
	e := runtime.Errorf(runtime.CodeInvalidArgument, "the body is not a valid JSON object: %v", err).WithHint("send a JSON object in UTF-8")
	if t, ok := errors.AsType[*TextError](err); ok {
		e.Line = t.Line
	}
	return e
}

// IsNull reports whether a member is absent or null.
func IsNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

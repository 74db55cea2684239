package httpapi

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/faaspot/faaspot/runtime/strictjson"
)

// textError says what is wrong with a text that a caller wrote, and on which
// line (0: unknown).
type textError struct {
	Line   int
	Reason string
}

func (e *textError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
	}
	return e.Reason
}

// checkObject reports, as a *textError, why a text is not a JSON object that
// every reader understands in the same way.
func checkObject(text []byte) error {
	err := strictjson.Check(text, strictjson.Options{Object: true})
	if e, ok := errors.AsType[*strictjson.Error](err); ok {
		return &textError{Line: lineAt(text, e.Offset), Reason: e.Path + ": " + e.Reason}
	}
	return err
}

// lineAt is the 1-based line of an offset.
func lineAt(text []byte, offset int) int {
	return 1 + bytes.Count(text[:min(offset, len(text))], []byte("\n"))
}

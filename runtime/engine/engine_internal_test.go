package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// TestWithOp checks that an *Error stays for the client, and that any other error is hidden.
func TestWithOp(t *testing.T) {
	known := runtime.Errorf(runtime.CodeNotFound, "no").WithHint("look")
	err := withOp("op", known)
	if e, ok := runtime.AsError(err); !ok || e.Op != "op" || e.Message != "no" || e.Hint != "look" || known.Op != "" {
		t.Errorf("got %#v, and the original %#v", err, known)
	}
	cause := errors.New("secret")
	err = withOp("op", cause)
	if e, ok := runtime.AsError(err); !ok || e.Code != runtime.CodeInternal || strings.Contains(e.Message, "secret") || !errors.Is(err, cause) {
		t.Errorf("got %#v", err)
	}
}

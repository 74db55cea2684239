package ui

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/runtime"
)

func TestWriteError(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"plain": {errors.New("disk on fire"), "error: disk on fire\n"},
		"coded": {
			&runtime.Error{Code: "x", Message: "it broke", Op: "inner", Err: errors.New("inner")},
			"error: it broke\n",
		},
		"hint": {runtime.Errorf("x", "it broke").WithHint("mend it"), "error: it broke\nhint: mend it\n"},
		"traceback": {
			&client.Error{Status: 500, Err: &runtime.Error{
				Code: "function_error", Message: "ValueError: no", Traceback: "Traceback (most recent call last):\n  ...", Hint: "mend it",
			}},
			"error: ValueError: no\nTraceback (most recent call last):\n  ...\nhint: mend it\n",
		},
		"line of a deployment": {
			&runtime.Error{Code: runtime.CodeDeployFailed, Message: "there is no main", Line: 7},
			"error: there is no main (line 7)\n",
		},
		"line that the message has": {
			&runtime.Error{Code: runtime.CodeDeployFailed, Message: "SyntaxError: bad (line 7)", Line: 7},
			"error: SyntaxError: bad (line 7)\n",
		},
		"error id": {
			&client.Error{Err: runtime.Errorf(runtime.CodeInternal, "it broke"), ErrorID: "abc"},
			"error: it broke (error id abc)\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			WriteError(&out, tc.err)
			if diff := cmp.Diff(tc.want, out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

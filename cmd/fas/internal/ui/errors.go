package ui

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/runtime"
)

// WriteError renders an error as `error:` and `hint:` lines, with the traceback of the function's
// own code between them.
func WriteError(w io.Writer, err error) {
	coded, ok := errors.AsType[*runtime.Error](err)
	if !ok {
		labelled(w, red, "error:", err.Error())
		return
	}
	message := coded.Message
	if coded.Code == runtime.CodeDeployFailed && coded.Line > 0 && !strings.Contains(message, "line ") {
		message += fmt.Sprintf(" (line %d)", coded.Line)
	}
	if answer, ok := errors.AsType[*client.Error](err); ok && answer.ErrorID != "" {
		message += " (error id " + answer.ErrorID + ")"
	}
	labelled(w, red, "error:", message)
	if coded.Traceback != "" {
		fmt.Fprintln(w, strings.TrimRight(coded.Traceback, "\n"))
	}
	if coded.Hint != "" {
		labelled(w, cyan, "hint:", coded.Hint)
	}
	for _, other := range coded.More {
		WriteError(w, other)
	}
}

// errorJSON is the form of an error with --json. Its names and meanings are a promise.
type errorJSON struct {
	Message     string       `json:"message"`
	Code        runtime.Code `json:"error_code"`
	Hint        string       `json:"hint,omitempty"`
	Traceback   string       `json:"server_traceback,omitempty"`
	Line        int          `json:"line,omitempty"`
	ErrorID     string       `json:"error_id,omitempty"`
	ExecutionID string       `json:"execution_id,omitempty"`
	ExitStatus  int          `json:"exit_status"`

	Errors []mistakeJSON `json:"errors,omitempty"` // all, if there are several
}

type mistakeJSON struct {
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// WriteErrorJSON renders an error as a JSON object with the one member error.
func WriteErrorJSON(w io.Writer, err error, exitStatus int) {
	e := errorJSON{Message: err.Error(), Code: runtime.CodeOf(err), ExitStatus: exitStatus}
	if coded, ok := errors.AsType[*runtime.Error](err); ok {
		e.Message, e.Hint, e.Traceback, e.Line = coded.Message, coded.Hint, coded.Traceback, coded.Line
		if len(coded.More) > 0 {
			for _, one := range append([]*runtime.Error{coded}, coded.More...) {
				e.Errors = append(e.Errors, mistakeJSON{one.Message, one.Hint})
			}
		}
	}
	if answer, ok := errors.AsType[*client.Error](err); ok {
		e.ErrorID, e.ExecutionID = answer.ErrorID, answer.ExecutionID
	}
	text, err := IndentJSON(map[string]errorJSON{"error": e}, "")
	if err != nil { // strings and numbers: cannot happen
		text = []byte(`{"error": {"message": "the error cannot be rendered"}}`)
	}
	fmt.Fprintf(w, "%s\n", text)
}

// labelled writes a line with a coloured label.
func labelled(w io.Writer, c colour, label, text string) {
	_ = paint(w, c, label)
	fmt.Fprintf(w, " %s\n", text)
}

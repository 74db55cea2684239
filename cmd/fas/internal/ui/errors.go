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
		fmt.Fprintln(w, coded.Traceback)
	}
	if coded.Hint != "" {
		labelled(w, cyan, "hint:", coded.Hint)
	}
}

// labelled writes a line with a coloured label.
func labelled(w io.Writer, c colour, label, text string) {
	_ = paint(w, c, label)
	fmt.Fprintf(w, " %s\n", text)
}

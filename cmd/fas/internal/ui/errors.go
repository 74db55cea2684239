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
func WriteError(w io.Writer, err error, p Painter) {
	coded, ok := errors.AsType[*runtime.Error](err)
	if !ok {
		fmt.Fprintf(w, "%s %s\n", p.red("error:"), err)
		return
	}
	message := coded.Message
	if coded.Code == runtime.CodeDeployFailed && coded.Line > 0 && !strings.Contains(message, "line ") {
		message += fmt.Sprintf(" (line %d)", coded.Line)
	}
	if answer, ok := errors.AsType[*client.Error](err); ok && answer.ErrorID != "" {
		message += " (error id " + answer.ErrorID + ")"
	}
	fmt.Fprintf(w, "%s %s\n", p.red("error:"), message)
	if coded.Traceback != "" {
		fmt.Fprintln(w, coded.Traceback)
	}
	if coded.Hint != "" {
		fmt.Fprintf(w, "%s %s\n", p.cyan("hint:"), coded.Hint)
	}
}

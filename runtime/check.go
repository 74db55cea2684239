package runtime

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/faaspot/faaspot/runtime/strictjson"
)

// EmptyObject is the JSON object that replaces empty args and an empty context.
var EmptyObject = []byte("{}")

// checkSource checks the code of a function as text. Python checks the syntax during the deploy.
func checkSource(source []byte) error {
	switch {
	case len(source) > MaxSource:
		return SourceTooLargeError(len(source))
	case len(bytes.TrimSpace(source)) == 0:
		return Errorf(CodeInvalidArgument, "the code is empty").
			WithHint("send Python code that defines main(args, context)")
	case !utf8.Valid(source):
		return sourceError(source, firstInvalid(source), "is not valid UTF-8", "save the file as UTF-8")
	}
	if i := bytes.IndexByte(source, 0); i >= 0 {
		return sourceError(source, i, "has a NUL byte", "is it Python source? Compiled code cannot be deployed")
	}
	return nil
}

// SourceTooLargeError returns the error for a function's code of n bytes, more than [MaxSource].
func SourceTooLargeError(n int) error {
	return tooLarge("the code has", n, MaxSource, "keep data out of the code: pass it as args, or keep it in the context")
}

// ContextTooLargeError returns the error for a context of n bytes, more than [MaxContext].
func ContextTooLargeError(n int) error {
	return tooLarge("the context has", n, MaxContext, "pass data as args, and keep only what all runs need in the context")
}

// tooLarge returns the error for something of n bytes that may have at most limit. The text says what
// has them.
func tooLarge(text string, n, limit int, hint string) *Error {
	return Errorf(CodeTooLarge, "%s %d bytes, at most %s are allowed", text, n, SizeText(limit)).WithHint(hint)
}

// SizeText formats a limit in bytes for people, such as "6291456 (6 MiB)".
func SizeText(n int) string {
	switch {
	case n >= MiB && n%MiB == 0:
		return fmt.Sprintf("%d (%d MiB)", n, n/MiB)
	case n >= KiB && n%KiB == 0:
		return fmt.Sprintf("%d (%d KiB)", n, n/KiB)
	}
	return strconv.Itoa(n)
}

// sourceError returns the error for code that is wrong at an offset, with the line.
func sourceError(source []byte, at int, problem, hint string) error {
	line := 1 + bytes.Count(source[:at], []byte("\n"))
	err := Errorf(CodeInvalidArgument, "the code %s at line %d (byte %d)", problem, line, at).WithHint(hint)
	err.Line = line
	return err
}

// firstInvalid returns the offset of the first byte of text that is not UTF-8.
func firstInvalid(text []byte) int {
	at := 0
	for at < len(text) {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at
}

// ValidateObject checks args or a context, named by what: data must be empty or a JSON object of
// at most limit bytes.
func ValidateObject(what string, data []byte, limit int) error {
	if len(data) == 0 {
		return nil
	}
	if len(data) > limit {
		return tooLarge(what+":", len(data), limit, "send less, or split the data over several runs")
	}
	if err := strictjson.Check(data, strictjson.Options{Object: true}); err != nil {
		return Errorf(CodeInvalidArgument, "%s: not a valid JSON object: %s", what, err)
	}
	return nil
}

// ObjectOrEmpty returns a JSON object without the white space around it, or an empty object if data is
// empty. Every way to run a function passes its args through it, so that all of them give the function
// the same.
func ObjectOrEmpty(data []byte) []byte {
	data = bytes.Trim(data, " \t\r\n")
	if len(data) == 0 {
		return EmptyObject
	}
	return data
}

package runtime

import (
	"bytes"
	"unicode/utf8"

	"github.com/faaspot/faaspot/runtime/strictjson"
)

// EmptyObject is what empty args and an empty context mean.
var EmptyObject = []byte("{}")

// checkSource checks a function's code as text; Python has its say at deploy.
func checkSource(source []byte) error {
	switch {
	case len(source) > MaxSource:
		return Errorf(CodeTooLarge, "the code has %d bytes, %d are allowed", len(source), MaxSource).
			WithHint("keep data out of the code: pass it as args, or keep it in the context")
	case len(bytes.TrimSpace(source)) == 0:
		return Errorf(CodeInvalidArgument, "the code is empty").
			WithHint("give Python code that defines main(args, context)")
	case !utf8.Valid(source):
		return wrongSource(source, firstInvalid(source), "is not valid UTF-8", "save the file as UTF-8")
	}
	if i := bytes.IndexByte(source, 0); i >= 0 {
		return wrongSource(source, i, "has a NUL byte", "is it Python source? Compiled code cannot be deployed")
	}
	return nil
}

func wrongSource(source []byte, at int, what, hint string) error {
	line := 1 + bytes.Count(source[:at], []byte("\n"))
	err := Errorf(CodeInvalidArgument, "the code %s at line %d (byte %d)", what, line, at).WithHint(hint)
	err.Line = line
	return err
}

// firstInvalid is the offset of the first byte of text that is not UTF-8.
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

// ValidateObject checks args or a context, which what says: a JSON object of at
// most limit bytes, or nothing.
func ValidateObject(what string, data []byte, limit int) error {
	if len(data) == 0 {
		return nil
	}
	if len(data) > limit {
		return Errorf(CodeTooLarge, "%s: %d bytes, at most %d are allowed", what, len(data), limit)
	}
	if err := strictjson.Check(data, strictjson.Options{Object: true}); err != nil {
		return Errorf(CodeInvalidArgument, "%s: not a valid JSON object: %s", what, err)
	}
	return nil
}

// ObjectOrEmpty is the object that data means.
func ObjectOrEmpty(data []byte) []byte {
	if len(data) == 0 {
		return EmptyObject
	}
	return data
}

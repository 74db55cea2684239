package faaspot

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"sync"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/strictjson"
	"github.com/faaspot/faaspot/runtime/stricttoml"
)

const contextHint = `a context is lines of key = "value", or a JSON object`

// contextReader reads the contexts of functions. Its zero value is ready.
type contextReader struct {
	// toml is held while a text is read as TOML: one at a time, because a text of 256 KiB may take
	// 40 MiB and 70 ms.
	toml sync.Mutex
}

// parse returns the JSON form of a function's context: a JSON object if the text begins
// with a brace, else TOML. An empty text is an empty context.
func (r *contextReader) parse(text string) (json.RawMessage, error) {
	if len(text) > runtime.MaxContext {
		return nil, runtime.ContextTooLargeError(len(text))
	}
	text = strings.TrimPrefix(text, "\ufeff")
	if trimmed := strings.TrimSpace(text); trimmed == "" {
		return json.RawMessage("{}"), nil
	} else if trimmed[0] == '{' {
		return contextFromJSON(text)
	}
	return r.fromTOML(text)
}

func contextFromJSON(text string) (json.RawMessage, error) {
	raw := []byte(text)
	if err := web.CheckObject(raw); err != nil {
		return nil, contextError(err)
	}
	return bytes.TrimSpace(raw), nil
}

func (r *contextReader) fromTOML(text string) (json.RawMessage, error) {
	r.toml.Lock()
	defer r.toml.Unlock()
	table, err := stricttoml.Parse([]byte(text), strictjson.DefaultMaxDepth)
	if e, ok := errors.AsType[*stricttoml.Error](err); ok {
		return nil, contextError(&web.TextError{Line: 1 + strings.Count(text[:e.Offset], "\n"), Reason: e.Reason})
	}
	object, err := table.JSON()
	if err != nil {
		return nil, contextError(err)
	}
	return object, nil
}

// contextError returns the error for a context that cannot be read.
func contextError(err error) error {
	e := runtime.Errorf(runtime.CodeInvalidArgument, "the context is not valid: %v", err).WithHint(contextHint)
	if t, ok := errors.AsType[*web.TextError](err); ok {
		e.Line = t.Line
	}
	return e
}

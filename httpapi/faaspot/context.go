package faaspot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// maxContextDepth bounds the nesting of a context written as TOML: tables, arrays and the parts
// of a dotted key. The time and memory of the TOML parser grow with the square of the depth.
const maxContextDepth = 32

const contextHint = `a context is lines of key = "value", or a JSON object`

// parseContext returns the JSON form of a function's context: a JSON object if the text begins
// with a brace, else TOML. An empty text is an empty context.
func parseContext(text string) (json.RawMessage, error) {
	if len(text) > runtime.MaxContext {
		return nil, runtime.Errorf(runtime.CodeTooLarge, "the context has %d bytes; at most %d are allowed", len(text), runtime.MaxContext)
	}
	text = strings.TrimPrefix(text, "\ufeff")
	if trimmed := strings.TrimSpace(text); trimmed == "" {
		return json.RawMessage("{}"), nil
	} else if trimmed[0] == '{' {
		return contextFromJSON(text)
	}
	return contextFromTOML(text)
}

func contextFromJSON(text string) (json.RawMessage, error) {
	raw := []byte(text)
	if err := web.CheckObject(raw); err != nil {
		return nil, contextError(err)
	}
	return bytes.TrimSpace(raw), nil
}

func contextFromTOML(text string) (json.RawMessage, error) {
	if line := tooDeep(text, maxContextDepth); line > 0 {
		return nil, contextError(&web.TextError{Line: line, Reason: fmt.Sprintf("nested more than %d deep", maxContextDepth)})
	}
	var table map[string]any
	if _, err := toml.Decode(text, &table); err != nil {
		if p, ok := errors.AsType[toml.ParseError](err); ok {
			reason := p.Message
			if reason == "" {
				// Some of the parser's errors have no Message, but Error returns one
				// after a prefix.
				_, reason, _ = strings.Cut(p.Error(), ": ")
			}
			return nil, contextError(&web.TextError{Line: p.Position.Line, Reason: plainReason.Replace(reason)})
		}
		return nil, contextError(&web.TextError{Reason: "it cannot be read as TOML"})
	}
	value, err := jsonable(table, "")
	if err != nil {
		return nil, contextError(err)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return nil, contextError(&web.TextError{Reason: "it cannot be written as JSON"})
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

// plainReason rewords what the parser says in terms of Go.
var plainReason = strings.NewReplacer(
	"unexpected EOF", "the text ends too early", "out of range for int64", "not within 64 bits", "out of range for float64", "too large for a number",
	"invalid syntax", "not valid",
)

// contextError returns the error for a context that cannot be read.
func contextError(err error) error {
	e := runtime.Errorf(runtime.CodeInvalidArgument, "the context is not valid: %v", err).WithHint(contextHint)
	if t, ok := errors.AsType[*web.TextError](err); ok {
		e.Line = t.Line
	}
	return e
}

// tooDeep returns the line of the first nesting beyond limit, or 0. It does not parse; it skips
// strings and comments.
func tooDeep(text string, limit int) int {
	line, depth, dots := 1, 0, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\n':
			line, dots = line+1, 0
		case '#':
			if end := strings.IndexByte(text[i:], '\n'); end >= 0 {
				i += end - 1
			} else {
				return 0
			}
		case '"', '\'':
			end := skipString(text, i)
			line += strings.Count(text[i:end], "\n")
			i = end - 1
		case '[', '{':
			depth, dots = depth+1, 0
		case ']', '}':
			depth, dots = max(depth-1, 0), 0
		case '=', ',':
			dots = 0
		case '.':
			dots++
		}
		if depth > limit || dots >= limit {
			return line
		}
	}
	return 0
}

// skipString returns the index after the TOML string that begins at start, or the length of
// the text if the string does not end.
func skipString(text string, start int) int {
	quote := text[start]
	end := text[start : start+1]
	if triple := strings.Repeat(end, 3); strings.HasPrefix(text[start:], triple) {
		end = triple
	}
	for i := start + len(end); i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\':
			i++
		case strings.HasPrefix(text[i:], end):
			return i + len(end)
		case len(end) == 1 && text[i] == '\n':
			return i // an error that the parser will report
		}
	}
	return len(text)
}

// jsonable converts a value of the TOML parser to one that JSON can express. path is the dotted
// key of the value, for errors.
func jsonable(value any, path string) (any, error) {
	switch v := value.(type) {
	case map[string]any:
		for key, member := range v {
			var err error
			if v[key], err = jsonable(member, strings.TrimPrefix(path+"."+key, ".")); err != nil {
				return nil, err
			}
		}
		return v, nil
	case []map[string]any:
		list := make([]any, len(v))
		for i, member := range v {
			list[i] = member
		}
		return jsonable(list, path)
	case []any:
		for i, member := range v {
			var err error
			if v[i], err = jsonable(member, path); err != nil {
				return nil, err
			}
		}
		return v, nil
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return nil, &web.TextError{Reason: fmt.Sprintf("%q is infinite or not a number, which JSON cannot express", path)}
		}
		return v, nil
	case time.Time:
		return isoTime(v), nil
	}
	return value, nil
}

// isoTime formats a TOML date or time in ISO 8601, with the parts that the text has. The parser
// marks kinds without an offset by the name of their location.
func isoTime(t time.Time) string {
	switch t.Location().String() {
	case "date-local":
		return t.Format("2006-01-02")
	case "time-local":
		return t.Format("15:04:05.999999999")
	case "datetime-local":
		return t.Format("2006-01-02T15:04:05.999999999")
	}
	return t.Format(time.RFC3339Nano)
}

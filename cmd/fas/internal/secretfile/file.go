package secretfile

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"

	"github.com/joho/godotenv"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime/strictjson"
	"github.com/faaspot/faaspot/runtime/stricttoml"
)

// Parse returns the values in the text of a file, by their names, as JSON. The extension of the path
// says the format: .toml, .json, else lines NAME=value, whose values are strings. There is at least one
// value, and none is null.
func Parse(path, text string) (values map[string]json.RawMessage, err error) {
	text = strings.TrimPrefix(text, "\ufeff")
	switch strings.ToLower(filepath.Ext(path)) {
	case ".toml":
		values, err = parseTOML(path, text)
	case ".json":
		values, err = parseJSON(path, text)
	default:
		values, err = parseLines(path, text)
	}
	if err != nil {
		return nil, err
	}
	if len(values) == 0 {
		return nil, clierror.Usagef("", "%s has no values", name(path))
	}
	for key, value := range values {
		if key == "" {
			return nil, clierror.Usagef("", "%s has a value without a name", name(path))
		}
		if string(value) == "null" {
			return nil, clierror.Usagef("`fas secrets rm` removes values", "%s: the value of %q is null", name(path), key)
		}
	}
	return values, nil
}

// ParseContext returns the values in the text of a context, which may have none: a JSON object if it begins
// with a brace, else TOML.
func ParseContext(path, text string) (values map[string]json.RawMessage, err error) {
	text = strings.TrimPrefix(text, "\ufeff")
	switch trimmed := strings.TrimSpace(text); {
	case trimmed == "":
		return make(map[string]json.RawMessage), nil
	case trimmed[0] == '{':
		return parseJSON(path, text)
	}
	return parseTOML(path, text)
}

// name returns how errors call a file.
func name(path string) string {
	if path == "-" {
		return "the standard input"
	}
	return path
}

func parseTOML(path, text string) (map[string]json.RawMessage, error) {
	table, err := stricttoml.Parse([]byte(text), strictjson.DefaultMaxDepth)
	if err != nil {
		if e, ok := errors.AsType[*stricttoml.Error](err); ok {
			return nil, atLine(path, text, e.Offset, e.Reason)
		}
		return nil, err
	}
	object, err := table.JSON()
	if err != nil {
		return nil, clierror.Usagef("", "%s: %v", name(path), err)
	}
	return members(object)
}

func parseJSON(path, text string) (map[string]json.RawMessage, error) {
	if err := strictjson.Check([]byte(text), strictjson.Options{Object: true}); err != nil {
		if e, ok := errors.AsType[*strictjson.Error](err); ok {
			return nil, atLine(path, text, e.Offset, e.Reason)
		}
		return nil, err
	}
	return members([]byte(text))
}

func members(object []byte) (values map[string]json.RawMessage, err error) {
	return values, json.Unmarshal(object, &values)
}

// atLine returns the error for a text that is wrong at an offset.
func atLine(path, text string, offset int, reason string) error {
	line := 1 + strings.Count(text[:min(offset, len(text))], "\n")
	return clierror.Usagef("", "%s: line %d: %s", name(path), line, reason)
}

// noReference replaces the $ of a text, so that the parser of lines finds no references to other values.
const noReference = "\uE000"

// parseLines reads lines NAME=value. References to other values are refused: the parser would replace
// those that it does not know with nothing.
func parseLines(path, text string) (map[string]json.RawMessage, error) {
	found, err := godotenv.Unmarshal(text)
	if err != nil { // its text has the value
		return nil, clierror.Usagef("write a value with quotes or several lines in the other kind of quotes, or use a file .json",
			"%s: not lines of NAME=value", name(path))
	}
	plain, err := godotenv.Unmarshal(strings.ReplaceAll(text, "$", noReference))
	values := make(map[string]json.RawMessage, len(found))
	for key, value := range found {
		if err != nil || strings.ReplaceAll(plain[key], noReference, "$") != value {
			return nil, clierror.Usagef("write the value in single quotes", "%s: the value of %q has a $ that refers to another value", name(path), key)
		}
		encoded, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		values[key] = encoded
	}
	return values, nil
}

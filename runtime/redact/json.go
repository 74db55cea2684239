package redact

import (
	"bytes"
	"encoding/json"
)

// Texts returns all strings and numbers in a JSON text that are long enough to be hidden, names of members
// excluded. A text that is not JSON is one string.
func Texts(text []byte) (all []string) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var value any
	if d.Decode(&value) != nil {
		return []string{string(text)}
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			if len(v) >= MinSecret {
				all = append(all, v)
			}
		case json.Number:
			if len(v) >= MinSecret {
				all = append(all, v.String())
			}
		case []any:
			for _, one := range v {
				walk(one)
			}
		case map[string]any:
			for _, one := range v {
				walk(one)
			}
		}
	}
	walk(value)
	return all
}

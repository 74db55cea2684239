package jobfile

import (
	"errors"
	"fmt"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/strictjson"
	"github.com/faaspot/faaspot/runtime/stricttoml"
)

// FunctionFile is the name of the file with the settings of the function in its folder.
const FunctionFile = "faaspot.toml"

// Settings are the settings of a function in a file. What the file does not name is zero.
type Settings struct {
	Timeout float64  // seconds
	Memory  int      // MB
	Retries *int     // further attempts after failures of the function
	Allow   []string // what runs may reach; an empty list is not nil
}

// ParseSettings reads the settings of a function, in TOML. The error has all that is wrong with them.
func ParseSettings(path string, data []byte) (s Settings, err error) {
	document, err := stricttoml.Parse(data, strictjson.DefaultMaxDepth)
	if err != nil {
		at := position{}
		if e, ok := errors.AsType[*stricttoml.Error](err); ok {
			at = positionAt(data, int64(e.Offset))
		}
		return s, wrong(path, at, "", "%v", err)
	}
	r := reader{file: &File{path: path, places: tomlPlaces(data)}}
	t := r.table("", document.Map())
	s = t.settings()
	t.end()
	return s, r.errs.Err()
}

// rules reads an array of rules of an allow list.
func (t *table) rules(key string) []string {
	const want = "an array of strings"
	elements, _ := get[[]any](t, key, want)
	rules := make([]string, 0, len(elements))
	for i, element := range elements {
		in := t.table(fmt.Sprintf("%s[%d]", t.at(key), i), nil)
		text, ok := element.(string)
		if !ok {
			in.failHere("give "+want, "%s is %s, not a string", in.path, kind(element))
			return nil
		}
		if _, err := runtime.ParseAllowRule(text); err != nil {
			coded, _ := runtime.AsError(err)
			in.failHere(coded.Hint, "%s: %s", in.path, coded.Message)
		}
		rules = append(rules, text)
	}
	return rules
}

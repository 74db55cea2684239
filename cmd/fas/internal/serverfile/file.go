package serverfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/stricttoml"
)

const (
	// maxSize bounds a file, in bytes.
	maxSize = 256 * runtime.KiB
	// maxDepth bounds the nesting of a file: the file itself, and lists.
	maxDepth = 8
)

// Kind is the TOML type of a value.
type Kind string

// Kinds of values. All others are refused.
const (
	Text  Kind = "a string"
	Whole Kind = "a whole number"
	Flag  Kind = "true or false"
	List  Kind = "a list of strings"
)

// Setting is a key of a file with its value.
type Setting struct {
	Key    string
	Line   int // in the file, from 1 on
	Kind   Kind
	Values []string // of a List, else the only one, as its text
}

// Read reads a file. The errors name the file and the lines, all of them.
func Read(path string) ([]Setting, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "cannot read the settings of the server: %v", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "cannot read the settings of the server: %v", err)
	}
	if len(data) > maxSize {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "%s has more than %s bytes", path, runtime.SizeText(maxSize))
	}
	return parse(path, data)
}

// Wrong returns an error about a line of a file.
func Wrong(path string, line int, hint, format string, args ...any) *runtime.Error {
	return runtime.Errorf(runtime.CodeInvalidArgument, "%s:%d: %s", path, line, fmt.Sprintf(format, args...)).WithHint(hint)
}

func parse(path string, data []byte) (all []Setting, err error) {
	document, err := stricttoml.Parse(data, maxDepth)
	if err != nil {
		line := 1
		if e, ok := errors.AsType[*stricttoml.Error](err); ok {
			line = lineAt(data, e.Offset)
		}
		return nil, Wrong(path, line, `the file is TOML: a line for each setting, such as listen = "127.0.0.1:8080"`, "%v", err)
	}
	lines := keyLines(data)
	var errs runtime.Errors
	for _, m := range document.Members {
		s := Setting{Key: m.Name, Line: lines[m.Name]}
		if s.Kind, s.Values = valueOf(m.Value); s.Kind == "" {
			errs.Add(m.Name, Wrong(path, s.Line, "give a string, a whole number, true or false, or a list of strings; there are no tables", "%s has a value of another kind", m.Name))
			continue
		}
		all = append(all, s)
	}
	return all, errs.Err()
}

// valueOf returns the kind of a value and its texts; an empty kind if it is none of them.
func valueOf(value any) (Kind, []string) {
	switch v := value.(type) {
	case string:
		return Text, []string{v}
	case int64:
		return Whole, []string{strconv.FormatInt(v, 10)}
	case bool:
		return Flag, []string{strconv.FormatBool(v)}
	case []any:
		list := make([]string, len(v))
		for i, element := range v {
			text, ok := element.(string)
			if !ok {
				return "", nil
			}
			list[i] = text
		}
		return List, list
	}
	return "", nil
}

// keyLines returns the lines of the keys at the root of a document, and of its tables.
func keyLines(data []byte) map[string]int {
	lines := make(map[string]int)
	var parser unstable.Parser
	parser.Reset(data)
	table := false
	for parser.NextExpression() {
		e := parser.Expression()
		inTable := table
		if e.Kind == unstable.Table || e.Kind == unstable.ArrayTable {
			table, inTable = true, false
		}
		if key := e.Key(); !inTable && key.Next() {
			if name := string(key.Node().Data); lines[name] == 0 {
				lines[name] = lineAt(data, int(key.Node().Raw.Offset))
			}
		}
	}
	return lines
}

func lineAt(data []byte, offset int) int {
	return 1 + bytes.Count(data[:min(offset, len(data))], []byte("\n"))
}

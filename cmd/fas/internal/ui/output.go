package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// writeJSON prints v for programs: one value, indented, with a newline.
func (t *Terminal) WriteJSON(v any) error {
	data, err := IndentJSON(v, "")
	if err != nil {
		return err
	}
	_, err = t.Out.Write(append(data, '\n'))
	return err
}

// indented is the JSON of v in lines that begin with prefix, but for the first.
func IndentJSON(v any, prefix string) ([]byte, error) {
	data, err := MarshalJSON(v)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, data, prefix, "  "); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// jsonArray writes a JSON array element by element, in the form of writeJSON,
// for arrays that are longer than what one wants in memory.
type JSONArray struct {
	Out    io.Writer
	Prefix string // of the lines behind the first one
	count  int
}

func (j *JSONArray) Add(v any) error {
	data, err := IndentJSON(v, j.Prefix+"  ")
	if err != nil {
		return err
	}
	separator := ","
	if j.count == 0 {
		separator = "["
	}
	j.count++
	_, err = fmt.Fprintf(j.Out, "%s\n%s  %s", separator, j.Prefix, data)
	return err
}

// end closes the array, without a newline behind it.
func (j *JSONArray) End() error {
	closing := "\n" + j.Prefix + "]"
	if j.count == 0 {
		closing = "[]"
	}
	_, err := io.WriteString(j.Out, closing)
	return err
}

// oneLine is the first line of a text, with a mark for each character that
// would do something to a terminal.
func OneLine(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// marshal is json.Marshal without its escapes for HTML, which nobody at a
// terminal wants to read.
func MarshalJSON(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// quoted shows a word of the command line so that its ends can be seen.
func Quote(s string) string { return strconv.Quote(s) }

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// writeJSON prints v for programs: one value, indented, with a newline.
func (a *app) writeJSON(v any) error {
	data, err := indented(v, "")
	if err != nil {
		return err
	}
	_, err = a.stdout.Write(append(data, '\n'))
	return err
}

// indented is the JSON of v in lines that begin with prefix, but for the first.
func indented(v any, prefix string) ([]byte, error) {
	data, err := marshal(v)
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
type jsonArray struct {
	out    io.Writer
	prefix string // of the lines behind the first one
	count  int
}

func (j *jsonArray) add(v any) error {
	data, err := indented(v, j.prefix+"  ")
	if err != nil {
		return err
	}
	separator := ","
	if j.count == 0 {
		separator = "["
	}
	j.count++
	_, err = fmt.Fprintf(j.out, "%s\n%s  %s", separator, j.prefix, data)
	return err
}

// end closes the array, without a newline behind it.
func (j *jsonArray) end() error {
	closing := "\n" + j.prefix + "]"
	if j.count == 0 {
		closing = "[]"
	}
	_, err := io.WriteString(j.out, closing)
	return err
}

// oneLine is the first line of a text, with a mark for each character that
// would do something to a terminal.
func oneLine(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

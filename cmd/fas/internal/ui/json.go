package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// WriteJSON prints v as indented JSON and a newline.
func (t *Terminal) WriteJSON(v any) error {
	data, err := IndentJSON(v, "")
	if err != nil {
		return err
	}
	_, err = t.Out.Write(append(data, '\n'))
	return err
}

// IndentJSON returns the indented JSON of v. Every line but the first begins with prefix.
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

// JSONArray writes a JSON array element by element, in the form of WriteJSON. It is for arrays that
// are too long to be held in memory.
type JSONArray struct {
	Out    io.Writer
	Prefix string // of every line but the first
	count  int
}

// Add writes an element.
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

// End closes the array. It writes no newline.
func (j *JSONArray) End() error {
	closing := "\n" + j.Prefix + "]"
	if j.count == 0 {
		closing = "[]"
	}
	_, err := io.WriteString(j.Out, closing)
	return err
}

// MarshalJSON is [json.Marshal] without the escapes for HTML, which are hard to read on a terminal.
func MarshalJSON(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

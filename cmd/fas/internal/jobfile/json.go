package jobfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/faaspot/faaspot/httpapi/wire"
)

// parseJSON reads a file that has the body of a request to the API.
func parseJSON(path string, data []byte) (*File, error) {
	var body struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(data, &body); err != nil {
		at, what := position{}, err.Error()
		if e, ok := errors.AsType[*json.SyntaxError](err); ok {
			at = positionAt(data, max(e.Offset-1, 0)) // the offset counts the bytes that were read
		} else if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			at, what = positionAt(data, max(e.Offset-1, 0)), fmt.Sprintf("%s is a JSON %s", e.Field, e.Value)
		}
		return nil, wrong(path, at, `a job is an object such as {"metadata": {"name": "..."}, "spec": {"function": "..."}}`, "%s", what)
	}
	f := &File{Name: body.Metadata.Name, Body: data, path: path, places: make(places)}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := f.places.walk(data, decoder, ""); err != nil {
		return nil, wrong(path, position{}, "", "%v", err)
	}
	f.native = func(api string) string { return f.envAt(api) }
	if f.Name == "" {
		return nil, wrong(path, f.places.of("metadata"), `add "metadata": {"name": "..."}`, "metadata.name is missing")
	}
	return f, nil
}

var envMember = regexp.MustCompile(`^spec\.runtime\.envs\.(\w+)$`)

// envAt returns the path of the environment variable with the name in path, and other paths
// unchanged.
func (f *File) envAt(path string) string {
	m := envMember.FindStringSubmatch(path)
	if m == nil {
		return path
	}
	var body wire.JobRequest
	_ = json.Unmarshal(f.Body, &body) // parseJSON has checked it
	for i, v := range body.Spec.Runtime.Envs {
		if v.Name == m[1] {
			return fmt.Sprintf("spec.runtime.envs[%d]", i)
		}
	}
	return path
}

// walk records the positions of the members of the next value.
func (p places) walk(data []byte, d *json.Decoder, path string) error {
	if path != "" {
		if _, ok := p[path]; !ok { // else it has the position of its key
			p[path] = positionAt(data, skip(data, d.InputOffset()))
		}
	}
	token, err := d.Token()
	if err != nil {
		return err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	for i := 0; d.More(); i++ {
		inner := fmt.Sprintf("%s[%d]", path, i)
		if delim == '{' {
			at := positionAt(data, skip(data, d.InputOffset()))
			key, err := d.Token()
			if err != nil {
				return err
			}
			inner, _ = key.(string)
			if path != "" {
				inner = path + "." + inner
			}
			p[inner] = at
		}
		if err := p.walk(data, d, inner); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// skip returns the offset of the next JSON token.
func skip(data []byte, offset int64) int64 {
	for offset < int64(len(data)) && bytes.IndexByte([]byte(" \t\r\n,:"), data[offset]) >= 0 {
		offset++
	}
	return offset
}

// positionAt returns the position of an offset. The column counts bytes.
func positionAt(data []byte, offset int64) position {
	before := data[:min(offset, int64(len(data)))]
	return position{1 + bytes.Count(before, []byte("\n")), len(before) - bytes.LastIndexByte(before, '\n')}
}

package main

import (
	"bytes"
	"encoding/json"
)

// writeJSON prints v for programs: one value, indented, with a newline.
func (a *app) writeJSON(v any) error {
	data, err := marshal(v)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, data, "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err = a.stdout.Write(out.Bytes())
	return err
}

package server

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A copy of another node's data replaces the own data as a whole, wherever the process was killed: a complete one is put in
// place, and an incomplete one is removed.
func TestCopiesAreReplacedAsAWhole(t *testing.T) {
	for name, test := range map[string]struct {
		folders map[string]string // what is in the file of each
		want    string
	}{
		"nothing has happened":           {map[string]string{storeName: "own"}, "own"},
		"a new node":                     {nil, ""},
		"while it was received":          {map[string]string{storeName: "own", copyingName: "half"}, "own"},
		"by a new node":                  {map[string]string{copyingName: "half"}, ""},
		"when it was complete":           {map[string]string{storeName: "own", copiedName: "copy"}, "copy"},
		"when the own data were removed": {map[string]string{copiedName: "copy"}, "copy"},
		"when another one was begun":     {map[string]string{storeName: "own", copiedName: "copy", copyingName: "half"}, "copy"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for folder, text := range test.folders {
				path := filepath.Join(dir, folder)
				if err := errors.Join(os.Mkdir(path, dataMode), os.WriteFile(filepath.Join(path, "file"), []byte(text), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			n := &node{server: &server{Options: Options{Data: dir}}}
			for range 2 {
				if err := n.placeCopy(); err != nil {
					t.Fatal(err)
				}
				got, _ := os.ReadFile(filepath.Join(dir, storeName, "file"))
				if string(got) != test.want {
					t.Errorf("the node has %q, want %q", got, test.want)
				}
				left, err := os.ReadDir(dir)
				if err != nil || len(left) > 1 || len(left) == 1 && left[0].Name() != storeName {
					t.Errorf("in the folder are %v, %v", left, err)
				}
			}
		})
	}
}

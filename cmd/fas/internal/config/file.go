package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The keys above the profiles.
const (
	keyRoot     = "faaspot"
	keyActive   = "profile"
	keyProfiles = "profiles"
)

// File is the content of a profile file, with the changes since it was read.
type File struct {
	path string
	doc  yaml.Node // document node; zero if there was no file or it was empty
}

// Load reads the file at path. A file that does not exist has no profiles.
func Load(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &File{path: path}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the profile file: %w", err)
	}
	return parse(path, data)
}

func parse(path string, data []byte) (*File, error) {
	f := &File{path: path}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	err := decoder.Decode(&f.doc)
	if errors.Is(err, io.EOF) {
		return f, nil
	}
	if err == nil {
		if more := decoder.Decode(new(yaml.Node)); !errors.Is(more, io.EOF) {
			err = errors.New("more than one document")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the profile file %s is not valid YAML: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if root := f.doc.Content[0]; root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		f.doc.Content[0] = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", HeadComment: root.HeadComment, FootComment: root.FootComment}
	}
	if _, err := f.names(); err != nil {
		return nil, err
	}
	return f, nil
}

// Path returns the path of the file.
func (f *File) Path() string { return f.path }

// Active returns the name of the active profile, empty if there is none.
func (f *File) Active() string {
	node, err := f.find(keyRoot, keyActive)
	if err != nil || node == nil || node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		return ""
	}
	return node.Value
}

// Names returns the names of the profiles in the order of the file.
func (f *File) Names() []string {
	names, _ := f.names() // checked when the file was read
	return names
}

func (f *File) names() ([]string, error) {
	profiles, err := f.find(keyRoot, keyProfiles)
	if err != nil || profiles == nil {
		return nil, err
	}
	if profiles.Kind != yaml.MappingNode {
		if profiles.Tag == "!!null" {
			return nil, nil
		}
		return nil, f.wrong(profiles, keyProfiles, "a mapping of names to profiles")
	}
	var names []string
	for i := 0; i < len(profiles.Content); i += 2 {
		names = append(names, profiles.Content[i].Value)
	}
	return names, nil
}

// Profile returns a profile; ok is false if it does not exist.
func (f *File) Profile(name string) (p Profile, ok bool, err error) {
	node, err := f.find(keyRoot, keyProfiles, name)
	if err != nil || node == nil {
		return Profile{}, false, err
	}
	if node.Kind != yaml.MappingNode {
		if node.Tag == "!!null" {
			return Profile{}, true, nil
		}
		return Profile{}, false, f.wrong(node, name, "a mapping")
	}
	for _, fd := range fields {
		value := lookup(node, fd.key)
		if value == nil || value.Tag == "!!null" {
			continue
		}
		v, err := f.scalar(value, fd)
		if err != nil {
			return Profile{}, false, err
		}
		fd.set(&p, v)
	}
	return p, true, nil
}

// scalar decodes the value of a field. Numbers and booleans may be quoted, because other programs
// that write this file quote them.
func (f *File) scalar(node *yaml.Node, fd field) (any, error) {
	if node.Kind == yaml.ScalarNode {
		switch fd.zero.(type) {
		case string:
			return node.Value, nil
		case int:
			n, err := strconv.Atoi(node.Value)
			if err == nil && n > 0 && n < 1<<16 {
				return n, nil
			}
			return nil, f.wrong(node, fd.key, "a number from 1 to 65535")
		case bool:
			switch strings.ToLower(node.Value) {
			case "true", "yes", "on", "1":
				return true, nil
			case "false", "no", "off", "0", "":
				return false, nil
			}
			return nil, f.wrong(node, fd.key, "true or false")
		}
	}
	return nil, f.wrong(node, fd.key, "a single value")
}

// find returns the node at a path of keys, nil if a key of the path is absent.
func (f *File) find(keys ...string) (*yaml.Node, error) {
	if len(f.doc.Content) == 0 {
		return nil, nil
	}
	node := f.doc.Content[0]
	at := "the file"
	for _, key := range keys {
		if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
			return nil, nil
		}
		if node.Kind != yaml.MappingNode {
			return nil, f.wrong(node, at, "a mapping")
		}
		if node = lookup(node, key); node == nil {
			return nil, nil
		}
		at = key
	}
	return node, nil
}

// lookup returns the value of a key in a mapping, and resolves an alias.
func lookup(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			value := mapping.Content[i+1]
			if value.Kind == yaml.AliasNode {
				return value.Alias
			}
			return value
		}
	}
	return nil
}

func (f *File) wrong(node *yaml.Node, what, want string) error {
	return fmt.Errorf("the profile file is wrong at %s:%d: %s: want %s", f.path, node.Line, what, want)
}

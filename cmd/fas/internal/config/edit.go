package config

import (
	"bytes"
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// SetActive sets the active profile.
func (f *File) SetActive(name string) error {
	if f.Active() == name {
		return nil
	}
	root, err := f.mapping(keyRoot)
	if err != nil {
		return err
	}
	setScalar(root, keyActive, "!!str", name)
	return nil
}

// SetProfile creates or changes a profile. Unknown keys of the profile do not change.
func (f *File) SetProfile(name string, p Profile) error {
	node, err := f.mapping(keyRoot, keyProfiles, name)
	if err != nil {
		return err
	}
	for _, fd := range fields {
		value := fd.get(&p)
		old := lookup(node, fd.key)
		if old == nil && value == fd.zero && !fd.always {
			continue
		}
		if old != nil {
			// Do not rewrite an equal value in another notation, such as True.
			if v, err := f.scalar(old, fd); err == nil && v == value {
				continue
			}
		}
		switch v := value.(type) {
		case string:
			setScalar(node, fd.key, "!!str", v)
		case int:
			if v == 0 {
				remove(node, fd.key)
				continue
			}
			setScalar(node, fd.key, "!!int", strconv.Itoa(v))
		case bool:
			setScalar(node, fd.key, "!!bool", strconv.FormatBool(v))
		}
	}
	return nil
}

// RemoveProfile removes a profile. If it is the active one, no profile is active afterwards. It
// reports whether the profile existed.
func (f *File) RemoveProfile(name string) (removed bool, err error) {
	profiles, err := f.find(keyRoot, keyProfiles)
	if err != nil || profiles == nil || index(profiles, name) < 0 {
		return false, err
	}
	if profiles, err = f.mapping(keyRoot, keyProfiles); err != nil {
		return false, err
	}
	remove(profiles, name)
	if f.Active() != name {
		return true, nil
	}
	root, err := f.mapping(keyRoot)
	if err != nil {
		return false, err
	}
	remove(root, keyActive)
	return true, nil
}

// mapping returns the mapping at a path of keys, and creates absent mappings along it.
func (f *File) mapping(keys ...string) (*yaml.Node, error) {
	if len(f.doc.Content) == 0 {
		f.doc.Kind = yaml.DocumentNode
		f.doc.Content = []*yaml.Node{{Kind: yaml.MappingNode, Tag: "!!map"}}
	}
	node := f.doc.Content[0]
	if node.Kind != yaml.MappingNode {
		return nil, f.wrong(node, "the file", "a mapping")
	}
	for _, key := range keys {
		i := index(node, key)
		if i < 0 {
			node.Content = append(node.Content, keyNode(key), &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"})
			node.Style = 0 // `{}` becomes a block once it has entries
			node = node.Content[len(node.Content)-1]
			continue
		}
		value := node.Content[i+1]
		switch {
		case value.Kind == yaml.MappingNode:
		case value.Kind == yaml.AliasNode:
			// A change would affect all uses of the anchor.
			return nil, f.wrong(value, key, "a mapping, not an alias: a change would affect other uses of the anchor")
		case value.Kind == yaml.ScalarNode && value.Tag == "!!null":
			comment := value.LineComment
			*value = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", HeadComment: value.HeadComment, FootComment: value.FootComment}
			node.Content[i].LineComment = comment
		default:
			return nil, f.wrong(value, key, "a mapping")
		}
		node = value
	}
	return node, nil
}

func index(mapping *yaml.Node, key string) int {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return i
		}
	}
	return -1
}

// setScalar sets a value of a mapping and preserves the comments around it.
func setScalar(mapping *yaml.Node, key, tag, value string) {
	fresh := &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
	i := index(mapping, key)
	if i < 0 {
		mapping.Content = append(mapping.Content, keyNode(key), fresh)
		return
	}
	old := mapping.Content[i+1]
	fresh.HeadComment, fresh.LineComment, fresh.FootComment = old.HeadComment, old.LineComment, old.FootComment
	mapping.Content[i+1] = fresh
}

func remove(mapping *yaml.Node, key string) {
	if i := index(mapping, key); i >= 0 {
		mapping.Content = append(mapping.Content[:i], mapping.Content[i+2:]...)
	}
}

func keyNode(key string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}
}

// encode renders the file.
func (f *File) encode() ([]byte, error) {
	if len(f.doc.Content) == 0 {
		return nil, nil
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&f.doc); err != nil {
		return nil, fmt.Errorf("write the profile file: %w", err)
	}
	if err := encoder.Close(); err != nil {
		return nil, fmt.Errorf("write the profile file: %w", err)
	}
	return out.Bytes(), nil
}

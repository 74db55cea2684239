package web

import (
	"bytes"
	"encoding/json"
	"iter"
)

const space = " \t\r\n"

// SplitArray returns the elements of a JSON array. They are parts of text, so that an array takes no
// more memory than the positions of its elements; of more than most+1, only most+1 are returned. ok
// is false if text is not a JSON array.
func SplitArray(text []byte, most int) (elements []json.RawMessage, ok bool) {
	text = bytes.Trim(text, space)
	if len(text) == 0 || text[0] != '[' || !json.Valid(text) {
		return nil, false
	}
	elements = []json.RawMessage{}
	for element := range items(text) {
		if elements = append(elements, element); len(elements) > most {
			break
		}
	}
	return elements, true
}

// splitObject returns the members of a valid JSON object. The values are parts of text. ok is false
// if text is not an object, or has more than most members.
func splitObject(text []byte, most int) (members map[string]json.RawMessage, ok bool) {
	text = bytes.Trim(text, space)
	if len(text) == 0 || text[0] != '{' {
		return nil, false
	}
	members = make(map[string]json.RawMessage)
	for item := range items(text) {
		name, value := splitMember(item)
		if members[name] = value; len(members) > most {
			return nil, false
		}
	}
	return members, true
}

// SoleMember returns the value of the only member of a valid JSON object, if it has the name.
func SoleMember(text []byte, name string) (value json.RawMessage, ok bool) {
	for item := range items(bytes.Trim(text, space)) {
		if ok {
			return nil, false
		}
		var found string
		if found, value = splitMember(item); found != name {
			return nil, false
		}
		ok = true
	}
	return value, ok
}

// splitMember splits a member of a valid JSON object.
func splitMember(member []byte) (name string, value json.RawMessage) {
	end := stringEnd(member, 0) + 1
	if quoted := member[1 : end-1]; bytes.IndexByte(quoted, '\\') < 0 {
		name = string(quoted)
	} else if json.Unmarshal(member[:end], &name) != nil {
		return "", nil // the object is valid: cannot happen
	}
	value = bytes.TrimLeft(member[end:], space)
	return name, bytes.TrimLeft(value[1:], space)
}

// items yields the elements or members of a valid JSON array or object, without the space around
// them. The slices have no capacity beyond their ends.
func items(text []byte) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		begin, depth := 1, 0
		for i := 1; i < len(text); i++ {
			switch text[i] {
			case '"':
				i = stringEnd(text, i)
				continue
			case '[', '{':
				depth++
				continue
			case ']', '}':
				if depth--; depth >= 0 {
					continue
				}
			case ',':
				if depth > 0 {
					continue
				}
			default:
				continue
			}
			item := bytes.Trim(text[begin:i], space)
			if len(item) > 0 && !yield(json.RawMessage(item[:len(item):len(item)])) {
				return
			}
			begin = i + 1
		}
	}
}

// stringEnd returns the offset of the quote that ends the string which begins at an offset.
func stringEnd(text []byte, begin int) int {
	for i := begin + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(text) - 1 // the string is valid: cannot happen
}

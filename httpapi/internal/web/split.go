package web

import (
	"bytes"
	"encoding/json"
	"iter"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
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

// Unquote decodes a string of valid JSON into its own memory. ok is false if text is not a string.
func Unquote(text json.RawMessage) (decoded []byte, ok bool) {
	if len(text) < 2 || text[0] != '"' {
		return nil, false
	}
	in := text[1 : len(text)-1]
	out := in[:0] // what is decoded is never longer
	for len(in) > 0 {
		at := bytes.IndexByte(in, '\\')
		if at < 0 {
			return append(out, in...), true
		}
		out, in = append(out, in[:at]...), in[at:]
		switch c := in[1]; c {
		case 'u':
			r := escapedRune(in)
			if second := escapedRune(in[6:]); utf16.IsSurrogate(r) {
				if r = utf16.DecodeRune(r, second); r != utf8.RuneError {
					in = in[6:]
				}
			}
			out, in = utf8.AppendRune(out, r), in[6:]
		default:
			if i := strings.IndexByte("bfnrt", c); i >= 0 {
				c = "\b\f\n\r\t"[i]
			}
			out, in = append(out, c), in[2:]
		}
	}
	return out, true
}

// escapedRune returns the number in the \uXXXX at the beginning of text, 0 if there is none.
func escapedRune(text []byte) (r rune) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0
	}
	n, _ := strconv.ParseUint(string(text[2:6]), 16, 16)
	return rune(n)
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

package runtime

import (
	"bytes"
	"encoding/json"
)

// contextMember is a member of a JSON object: its name, and its text with name and value.
type contextMember struct {
	name  string
	text  []byte
	unset bool // whether the value is null
}

// PatchContext returns a context with the changes of a JSON merge patch (RFC 7396) to its top level:
// each member of the patch replaces the member of that name as a whole, or removes it if it is null.
// Both are valid JSON objects, and an empty context is {}. Members that do not change keep their
// text and their order. The error is CodeTooLarge for a result of more than [MaxContext] bytes.
func PatchContext(context, patch []byte) ([]byte, error) {
	changes, err := contextMembers(patch)
	if err != nil {
		return nil, err
	}
	members, err := contextMembers(ObjectOrEmpty(context))
	if err != nil {
		return nil, err
	}
	byName := make(map[string]contextMember, len(changes))
	for _, c := range changes {
		byName[c.name] = c
	}
	patched := bytes.NewBuffer(make([]byte, 0, len(context)+len(patch)))
	write := func(m contextMember) {
		if m.unset {
			return
		}
		if patched.Len() > 0 {
			patched.WriteByte(',')
		} else {
			patched.WriteByte('{')
		}
		patched.Write(m.text)
	}
	for _, m := range members {
		if c, changed := byName[m.name]; changed {
			delete(byName, m.name)
			m = c
		} else {
			m.unset = false // a null that is in the context stays
		}
		write(m)
	}
	for _, c := range changes {
		if _, added := byName[c.name]; added {
			write(c)
		}
	}
	if patched.Len() == 0 {
		return EmptyObject, nil
	}
	patched.WriteByte('}')
	if n := patched.Len(); n > MaxContext {
		return nil, ContextTooLargeError(n)
	}
	return patched.Bytes(), nil
}

// contextMembers returns the members of a JSON object in their order. Their texts are parts of the
// text. The error does not quote the text, which has secrets.
func contextMembers(text []byte) (members []contextMember, err error) {
	broken := Errorf(CodeInternal, "a context is not a JSON object")
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, broken
	}
	for d.More() {
		begin := d.InputOffset()
		name, err := d.Token()
		if err != nil {
			return nil, broken
		}
		m := contextMember{}
		m.name, _ = name.(string)
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return nil, broken
		}
		m.unset = string(value) == "null"
		m.text = bytes.TrimLeft(text[begin:d.InputOffset()], ", \t\r\n")
		members = append(members, m)
	}
	return members, nil
}

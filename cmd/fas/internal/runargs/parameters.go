package runargs

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime/strictjson"
)

// Parameter is one key=value of a command line. Values are always strings.
type Parameter struct{ key, value string }

// listKey matches the keys of a comma list. Any other text before an `=` means that the comma
// belongs to a value, as in "filter=a, b <= 3".
var listKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// ParseParameters parses the values of -p. Each is a key=value, split at the first `=`, or a
// comma-separated list of them: "k1=v1, k2=v2". It is a list only if every part is a key=value, so
// that a sentence may contain commas.
func ParseParameters(entries []string) ([]Parameter, error) {
	var all []Parameter
	for _, entry := range entries {
		list, err := parseParameter(entry)
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			if slices.ContainsFunc(all, func(q Parameter) bool { return q.key == p.key }) {
				return nil, clierror.Usagef("give each parameter once", "the parameter %q is set twice", p.key)
			}
			all = append(all, p)
		}
	}
	return all, nil
}

func parseParameter(entry string) ([]Parameter, error) {
	if list := parseList(entry); list != nil {
		return list, nil
	}
	key, value, ok := strings.Cut(entry, "=")
	if !ok || strings.TrimSpace(key) == "" {
		return nil, clierror.Usagef("give it as -p key=value", "the parameter %q has no key and value", entry)
	}
	return []Parameter{{key, value}}, nil
}

// parseList parses a comma list. It returns nil if the entry is not a list.
func parseList(entry string) []Parameter {
	parts := strings.Split(entry, ",")
	if len(parts) == 1 {
		return nil
	}
	list := make([]Parameter, 0, len(parts))
	for _, part := range parts {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || !listKey.MatchString(key) {
			return nil
		}
		list = append(list, Parameter{key, value})
	}
	return list
}

// Build returns the args of a run: the JSON object base, or an empty one, with the parameters set
// in it. The members of base keep their order, and numbers keep all their digits.
func Build(base []byte, parameters []Parameter) ([]byte, error) {
	if len(base) == 0 {
		base = []byte("{}")
	}
	if err := strictjson.Check(base, strictjson.Options{Object: true}); err != nil {
		return nil, clierror.Usagef(`give an object, such as {"name": "you", "times": 3}`, "the args are not a JSON object: %v", err)
	}
	if len(parameters) == 0 {
		return base, nil
	}
	members, err := topMembers(base)
	if err != nil {
		return nil, err
	}
	for _, p := range parameters {
		if !utf8.ValidString(p.key) || !utf8.ValidString(p.value) {
			return nil, clierror.Usagef("", "the parameter %q is not UTF-8", p.key)
		}
		value, err := ui.MarshalJSON(p.value)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(members, func(m member) bool { return m.key == p.key }); i >= 0 {
			members[i].value = value
			continue
		}
		members = append(members, member{p.key, value})
	}
	var out bytes.Buffer
	for i, m := range members {
		key, err := ui.MarshalJSON(m.key)
		if err != nil {
			return nil, err
		}
		out.WriteByte("{,"[min(i, 1)])
		out.Write(key)
		out.WriteByte(':')
		out.Write(m.value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// member is a member of a JSON object.
type member struct {
	key   string
	value json.RawMessage
}

// topMembers returns the members of a valid JSON object.
func topMembers(object []byte) ([]member, error) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	var members []member
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		m := member{key: key.(string)}
		if err := decoder.Decode(&m.value); err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	return members, nil
}

package keys

import "bytes"

// grownKinds are the kinds whose keys end with the id of an execution and nothing else, and chunks of
// bundles, in the order of the kinds. New executions add keys at the end of each; chunks are large.
const grownKinds = "Aaglrx"

// TableEnd returns the end of the keys that should share a table with a key: a table that spans two
// of the grownKinds would overlap all older keys of the second. Nil means that the rest of the keys
// may follow.
func TableEnd(key []byte) []byte {
	switch {
	case len(key) == 0 || key[0] < SpaceTenants:
		return []byte{SpaceTenants}
	case key[0] > SpaceTenants:
		return nil
	}
	_, rest, err := CutText(key[1:])
	if err != nil {
		return nil
	}
	end := bytes.Clone(key[:len(key)-len(rest)])
	if len(rest) == 0 {
		return append(end, grownKinds[0])
	}
	for i := range len(grownKinds) {
		switch kind := grownKinds[i]; {
		case rest[0] < kind:
			return append(end, kind)
		case rest[0] == kind:
			return append(end, kind+1)
		}
	}
	return append(end, 0xFF)
}

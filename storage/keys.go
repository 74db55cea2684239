package storage

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/faaspot/faaspot/runtime"
)

// The first byte of a key.
const (
	spaceMeta     = 'm'
	spaceSettings = 's'
	spaceTenants  = 't'
)

// The byte behind a tenant.
const (
	kindName     = 'n'
	kindFunction = 'f'
	kindVersion  = 'v'
	kindSource   = 's'
	kindContext  = 'c'
)

// Escapes of texts: 0x00 is written as escape, escapedZero; the end of the
// text is escape, endOfText. A text thus sorts before all that it is a prefix
// of.
const (
	escape      = 0x00
	escapedZero = 0xFF
	endOfText   = 0x01
)

// keySize is room for most keys, in bytes.
const keySize = 80

var errKey = errors.New("the key is not one of ours")

// keyFormat is the key of the record that tells the format of all others.
func keyFormat() []byte { return []byte("mformat") }

func keySetting(name string) []byte { return appendText([]byte{spaceSettings}, name) }

func keyName(tenant runtime.Tenant, name string) []byte {
	return appendText(keyNames(tenant), name)
}

// keyNames is the prefix of all names of a tenant.
func keyNames(tenant runtime.Tenant) []byte { return keyKind(tenant, kindName) }

func keyFunction(tenant runtime.Tenant, id string) []byte {
	return appendText(keyKind(tenant, kindFunction), id)
}

// keyVersions is the prefix of all versions of a function.
func keyVersions(tenant runtime.Tenant, id string) []byte {
	return appendText(keyKind(tenant, kindVersion), id)
}

// keyOfVersion is the key of one of the three records of a version.
func keyOfVersion(kind byte, tenant runtime.Tenant, id string, number uint64) []byte {
	return binary.BigEndian.AppendUint64(appendText(keyKind(tenant, kind), id), number)
}

func keyKind(tenant runtime.Tenant, kind byte) []byte {
	key := append(make([]byte, 0, keySize), spaceTenants)
	return append(appendText(key, string(tenant)), kind)
}

// keyEnd is the least key behind all that have the prefix.
func keyEnd(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// nameOf reads the name out of a key that has the prefix given by keyNames.
func nameOf(prefix, key []byte) (string, error) {
	rest, ok := bytes.CutPrefix(key, prefix)
	if !ok {
		return "", errKey
	}
	name, rest, err := cutText(rest)
	if err != nil || len(rest) > 0 {
		return "", errKey
	}
	return name, nil
}

// numberOf reads the number out of a key that has the prefix given by
// keyVersions.
func numberOf(prefix, key []byte) (uint64, error) {
	rest, ok := bytes.CutPrefix(key, prefix)
	if !ok || len(rest) != 8 {
		return 0, errKey
	}
	return binary.BigEndian.Uint64(rest), nil
}

func appendText(key []byte, text string) []byte {
	for i := 0; i < len(text); i++ {
		key = append(key, text[i])
		if text[i] == escape {
			key = append(key, escapedZero)
		}
	}
	return append(key, escape, endOfText)
}

// cutText reads the text that key begins with and gives what follows it.
func cutText(key []byte) (text string, rest []byte, err error) {
	var plain []byte
	for {
		i := bytes.IndexByte(key, escape)
		if i < 0 || i+1 == len(key) {
			return "", nil, errKey
		}
		plain = append(plain, key[:i]...)
		switch key[i+1] {
		case endOfText:
			return string(plain), key[i+2:], nil
		case escapedZero:
			plain = append(plain, escape)
		default:
			return "", nil, errKey
		}
		key = key[i+2:]
	}
}

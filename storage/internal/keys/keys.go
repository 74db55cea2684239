package keys

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/faaspot/faaspot/runtime"
)

// The first byte of a key.
const (
	SpaceMeta     = 'm'
	SpaceSettings = 's'
	SpaceTenants  = 't'
	SpaceAccess   = 'u'
)

// The bytes behind a tenant for functions and their versions.
const (
	KindFunctionName = 'n'
	KindFunction     = 'f'
	KindVersion      = 'v'
	KindSource       = 's'
	KindContext      = 'c'
)

// The bytes behind a tenant for bundles.
const (
	KindBundleChunk = 'A'
	KindBundle      = 'C'
	KindBundleUse   = 'U'
	KindBytecode    = 'O'
)

// Escapes of texts: 0x00 is written as escape, escapedZero; the end of the text is written as
// escape, endOfText. A text thus sorts before all texts that it is a prefix of.
const (
	escape      = 0x00
	escapedZero = 0xFF
	endOfText   = 0x01
)

// keySize is the initial capacity of a key, in bytes. It is enough for most keys.
const keySize = 80

// ErrKey reports a key that does not have the layout of this package.
var ErrKey = errors.New("the key does not have the layout of this store")

// Format returns the key of the record that holds the format of all other records.
func Format() []byte { return []byte("mformat") }

// Applied returns the key of the record that holds how far the store has applied its log.
func Applied() []byte { return []byte("mapplied") }

// Setting returns the key of a setting of the server.
func Setting(name string) []byte { return AppendText([]byte{SpaceSettings}, name) }

// FunctionName returns the key by which a function is found by its name.
func FunctionName(tenant runtime.Tenant, name string) []byte {
	return AppendText(FunctionNames(tenant), name)
}

// FunctionNames returns the prefix of all names of a tenant's functions.
func FunctionNames(tenant runtime.Tenant) []byte { return OfKind(tenant, KindFunctionName) }

// Function returns the key of a function.
func Function(tenant runtime.Tenant, id string) []byte {
	return AppendText(OfKind(tenant, KindFunction), id)
}

// FunctionOf returns the id of the function that a key is the key of.
func FunctionOf(key []byte) (id string, ok bool) {
	rest, ok := bytes.CutPrefix(key, []byte{SpaceTenants})
	if !ok {
		return "", false
	}
	_, rest, err := CutText(rest)
	if err != nil {
		return "", false
	}
	id, err = DecodeText([]byte{KindFunction}, rest)
	return id, err == nil
}

// Versions returns the prefix of all versions of a function.
func Versions(tenant runtime.Tenant, id string) []byte {
	return AppendText(OfKind(tenant, KindVersion), id)
}

// VersionPart returns the key of one of the three records of a version.
func VersionPart(kind byte, tenant runtime.Tenant, id string, number uint64) []byte {
	return binary.BigEndian.AppendUint64(AppendText(OfKind(tenant, kind), id), number)
}

// Bundle returns the key of a bundle.
func Bundle(tenant runtime.Tenant, id runtime.BundleID) []byte {
	return append(OfKind(tenant, KindBundle), id[:]...)
}

// BundleChunks returns the prefix of the chunks of a bundle.
func BundleChunks(tenant runtime.Tenant, id runtime.BundleID) []byte {
	return append(OfKind(tenant, KindBundleChunk), id[:]...)
}

// BundleChunk returns the key of a chunk of a bundle. Numbers count from 0.
func BundleChunk(tenant runtime.Tenant, id runtime.BundleID, number uint64) []byte {
	return binary.BigEndian.AppendUint64(BundleChunks(tenant, id), number)
}

// firstBytecodeChunk is the number of the first chunk of the bytecode of a bundle. No bundle has as
// many chunks, so that all chunks, which are large, have one kind.
const firstBytecodeChunk = 1 << 32

// Bytecode returns the key of the bytecode of a bundle.
func Bytecode(tenant runtime.Tenant, id runtime.BundleID) []byte {
	return append(OfKind(tenant, KindBytecode), id[:]...)
}

// BytecodeChunk returns the key of a chunk of the bytecode of a bundle. Numbers count from 0. They are
// the last of the [BundleChunks].
func BytecodeChunk(tenant runtime.Tenant, id runtime.BundleID, number uint64) []byte {
	return BundleChunk(tenant, id, firstBytecodeChunk+number)
}

// BundleUses returns the prefix of the uses of a bundle.
func BundleUses(tenant runtime.Tenant, id runtime.BundleID) []byte {
	return append(OfKind(tenant, KindBundleUse), id[:]...)
}

// BundleUse returns the key of the use of a bundle by a version.
func BundleUse(tenant runtime.Tenant, id runtime.BundleID, functionID string, number uint64) []byte {
	return binary.BigEndian.AppendUint64(AppendText(BundleUses(tenant, id), functionID), number)
}

// ParseBundle returns the bundle that a key of one of the kinds of bundles belongs to, and what
// follows its id in the key.
func ParseBundle(kind byte, tenant runtime.Tenant, key []byte) (id runtime.BundleID, rest []byte, err error) {
	rest, ok := bytes.CutPrefix(key, OfKind(tenant, kind))
	if !ok || len(rest) < len(id) {
		return id, nil, ErrKey
	}
	return runtime.BundleID(rest), rest[len(id):], nil
}

// OfKind returns the prefix of a tenant's records of a kind.
func OfKind(tenant runtime.Tenant, kind byte) []byte {
	key := append(make([]byte, 0, keySize), SpaceTenants)
	return append(AppendText(key, string(tenant)), kind)
}

// PrefixEnd returns the least key that sorts behind all keys with the prefix.
func PrefixEnd(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// DecodeText returns the text that follows a prefix in a key and ends it.
func DecodeText(prefix, key []byte) (string, error) {
	rest, ok := bytes.CutPrefix(key, prefix)
	if !ok {
		return "", ErrKey
	}
	name, rest, err := CutText(rest)
	if err != nil || len(rest) > 0 {
		return "", ErrKey
	}
	return name, nil
}

// DecodeNumber returns the number that follows a prefix in a key and ends it.
func DecodeNumber(prefix, key []byte) (uint64, error) {
	rest, ok := bytes.CutPrefix(key, prefix)
	if !ok || len(rest) != 8 {
		return 0, ErrKey
	}
	return binary.BigEndian.Uint64(rest), nil
}

// AppendText appends an escaped text to a key.
func AppendText(key []byte, text string) []byte {
	for i := 0; i < len(text); i++ {
		key = append(key, text[i])
		if text[i] == escape {
			key = append(key, escapedZero)
		}
	}
	return append(key, escape, endOfText)
}

// CutText returns the text that a key begins with, and the rest of the key.
func CutText(key []byte) (text string, rest []byte, err error) {
	var plain []byte
	for {
		i := bytes.IndexByte(key, escape)
		if i < 0 || i+1 == len(key) {
			return "", nil, ErrKey
		}
		plain = append(plain, key[:i]...)
		switch key[i+1] {
		case endOfText:
			return string(plain), key[i+2:], nil
		case escapedZero:
			plain = append(plain, escape)
		default:
			return "", nil, ErrKey
		}
		key = key[i+2:]
	}
}

package kv

import "github.com/faaspot/faaspot/storage/keyset"

// Keeper is a Reader that has keys for the secrets in its records.
type Keeper interface {
	Keys() *keyset.Keyset // nil: none
}

func keysOf(r any) *keyset.Keyset {
	if k, ok := r.(Keeper); ok {
		return k.Keys()
	}
	return nil
}

// Open returns the value of a key, decrypted if it is encrypted.
func Open(r any, key, value []byte) ([]byte, error) {
	if len(value) == 0 || value[0] != keyset.Marker {
		return value, nil
	}
	if k := keysOf(r); k != nil {
		return k.Open(key, value)
	}
	return nil, keyset.ErrNoKey
}

// Seal returns what is stored for the value of a key that has secrets: encrypted, if r has keys.
func Seal(r any, key, value []byte) []byte {
	if k := keysOf(r); k != nil {
		return k.Seal(key, value)
	}
	return value
}

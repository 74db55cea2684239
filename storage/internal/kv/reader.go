package kv

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"
)

// Reader is the database or a snapshot of it.
type Reader interface {
	Get(key []byte) ([]byte, io.Closer, error)
	NewIter(o *pebble.IterOptions) (*pebble.Iterator, error)
}

// ErrAbsent reports that there is no such key.
var ErrAbsent = errors.New("absent")

// Get calls decode with the value of a key, which is valid only during the call.
func Get[T any](r Reader, key []byte, decode func(value []byte) (T, error)) (T, error) {
	value, closer, err := r.Get(key)
	if err != nil {
		var none T
		if errors.Is(err, pebble.ErrNotFound) {
			err = ErrAbsent
		}
		return none, err
	}
	var result T
	if value, err = Open(r, key, value); err == nil {
		result, err = decode(value)
	}
	return result, errors.Join(err, closer.Close())
}

// Find is like Get, but returns nil if there is no such key.
func Find[T any](r Reader, key []byte, decode func(value []byte) (T, error)) (*T, error) {
	value, err := Get(r, key, decode)
	if errors.Is(err, ErrAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &value, nil
}

// ErrDamaged is the error that Damaged wraps.
var ErrDamaged = errors.New("the store is damaged")

// Damaged returns an error for a record that breaks an invariant of the store.
func Damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

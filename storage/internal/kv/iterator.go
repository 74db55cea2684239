package kv

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/storage/internal/keys"
)

// IDIterator walks over keys that end in the id of an execution. Once it failed it
// stands nowhere.
type IDIterator struct {
	ID    keys.ID // where it stands
	Valid bool    // it stands somewhere
	Err   error

	prefix []byte
	it     *pebble.Iterator
	back   bool // towards older ids

	Wanted func(*IDIterator) bool // tells whether to stop at an id; nil: at all
	Other  *IDIterator            // what wanted looks at; closed with this one
}

// NewIDIterator finds the ids behind a prefix, from lower on, before upper. First or
// last is to be called next, and close in the end.
func NewIDIterator(r Reader, prefix []byte, lower, upper keys.ID) *IDIterator {
	s := &IDIterator{prefix: prefix[:len(prefix):len(prefix)]}
	s.it, s.Err = r.NewIter(&pebble.IterOptions{
		LowerBound: append(s.prefix, lower[:]...),
		UpperBound: append(s.prefix, upper[:]...),
	})
	return s
}

// First goes to the oldest id, and next to newer ones.
func (s *IDIterator) First() {
	s.back = false
	s.stand(s.Err == nil && s.it.First())
}

// Last goes to the newest id, and next to older ones.
func (s *IDIterator) Last() {
	s.back = true
	s.stand(s.Err == nil && s.it.Last())
}

func (s *IDIterator) Next() { s.stand(s.step()) }

func (s *IDIterator) step() bool {
	if s.back {
		return s.it.Prev()
	}
	return s.it.Next()
}

// stand takes the id at the iterator, or the next one that is wanted.
func (s *IDIterator) stand(there bool) {
	for s.Valid = false; there && s.Err == nil; there = s.step() {
		if s.ID, s.Err = keys.DecodeID(s.prefix, s.it.Key()); s.Err != nil {
			s.Err = Damaged("key %x: %v", s.it.Key(), s.Err)
			return
		}
		if s.Wanted == nil || s.Wanted(s) {
			s.Valid = s.Err == nil
			return
		}
	}
	if s.Err == nil {
		s.Err = s.it.Error()
	}
}

// Lacks tells whether another source stands at an id that s, which goes the same
// way, does not have. It follows the other.
func (s *IDIterator) Lacks(other *IDIterator) bool {
	for s.Valid && s.ID != other.ID && s.back == other.ID.Before(s.ID) {
		s.Next()
	}
	if s.Err != nil {
		other.Err = s.Err
	}
	return !s.Valid || s.ID != other.ID
}

// Value is that of the key, valid until the next step.
func (s *IDIterator) Value() []byte {
	value, err := s.it.ValueAndErr()
	if err != nil && s.Err == nil {
		s.Err = err
	}
	return value
}

// Decode reads the value at which a source stands.
func Decode[T any](s *IDIterator, decode func([]byte) (T, error)) T {
	v, err := decode(s.Value())
	if err != nil && s.Err == nil {
		s.Err = Damaged("key %x: %v", s.it.Key(), err)
	}
	return v
}

func (s *IDIterator) Close() error {
	var errs []error
	if s.it != nil {
		errs = append(errs, s.it.Close())
	}
	if s.Other != nil {
		errs = append(errs, s.Other.Close())
	}
	return errors.Join(errs...)
}

// Key is that of the record at which it stands, valid until the next step.
func (s *IDIterator) Key() []byte { return s.it.Key() }

// First gives the source that stands at the first id of all, nil if none
// stands anywhere.
func First(sources []*IDIterator, back bool) (first *IDIterator, err error) {
	for _, s := range sources {
		if s.Err != nil {
			return nil, s.Err
		}
		if s.Valid && (first == nil || first.ID.Before(s.ID) == back) {
			first = s
		}
	}
	return first, nil
}

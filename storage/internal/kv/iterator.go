package kv

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/storage/internal/keys"
)

// IDIterator iterates over keys that end in the id of an execution. After an error it is not valid
// any more.
type IDIterator struct {
	ID    keys.ID // the id at the iterator
	Valid bool    // the iterator is at a key
	Err   error   // the first error

	Wanted func(*IDIterator) bool // reports whether to stop at an id; nil: stop at every id
	Other  *IDIterator            // an iterator that Wanted uses; closed with this one

	reader Reader
	prefix []byte
	it     *pebble.Iterator
	back   bool // it moves towards older ids
}

// NewIDIterator returns an iterator over the ids behind a prefix, from lower on, before upper. The
// caller calls First or Last next, and Close in the end.
func NewIDIterator(r Reader, prefix []byte, lower, upper keys.ID) *IDIterator {
	s := &IDIterator{reader: r, prefix: prefix[:len(prefix):len(prefix)]}
	s.it, s.Err = r.NewIter(&pebble.IterOptions{
		LowerBound: append(s.prefix, lower[:]...),
		UpperBound: append(s.prefix, upper[:]...),
	})
	return s
}

// First moves to the oldest id. Next then moves to newer ids.
func (s *IDIterator) First() {
	s.back = false
	s.settle(s.Err == nil && s.it.First())
}

// Last moves to the newest id. Next then moves to older ids.
func (s *IDIterator) Last() {
	s.back = true
	s.settle(s.Err == nil && s.it.Last())
}

// Seek moves to the first id that is not before another. The iterator moves towards newer ids.
func (s *IDIterator) Seek(id keys.ID) {
	s.back = false
	s.settle(s.Err == nil && s.it.SeekGE(append(s.prefix, id[:]...)))
}

// Steps returns how many steps and seeks the iterator has made towards newer ids. Tests use it.
func (s *IDIterator) Steps() int {
	if s.it == nil {
		return 0
	}
	stats := s.it.Stats()
	return stats.ForwardStepCount[pebble.InternalIterCall] + stats.ForwardSeekCount[pebble.InternalIterCall]
}

// Next moves to the next wanted id.
func (s *IDIterator) Next() { s.settle(s.step()) }

func (s *IDIterator) step() bool {
	if s.back {
		return s.it.Prev()
	}
	return s.it.Next()
}

// settle reads the id at the Pebble iterator, and moves on to the next wanted one.
func (s *IDIterator) settle(there bool) {
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

// Lacks reports whether another iterator is at an id that s, which moves in the same direction,
// does not have. It moves s up to the other.
func (s *IDIterator) Lacks(other *IDIterator) bool {
	for s.Valid && s.ID != other.ID && s.back == other.ID.Before(s.ID) {
		s.Next()
	}
	if s.Err != nil {
		other.Err = s.Err
	}
	return !s.Valid || s.ID != other.ID
}

// Value returns the value at the iterator, valid until the next step.
func (s *IDIterator) Value() []byte {
	value, err := s.it.ValueAndErr()
	if err == nil {
		value, err = Open(s.reader, s.it.Key(), value)
	}
	if err != nil && s.Err == nil {
		s.Err = err
	}
	return value
}

// Decode decodes the value at an iterator.
func Decode[T any](s *IDIterator, decode func([]byte) (T, error)) T {
	v, err := decode(s.Value())
	if err != nil && s.Err == nil {
		s.Err = Damaged("key %x: %v", s.it.Key(), err)
	}
	return v
}

// Close closes the iterator.
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

// Key returns the key at the iterator, valid until the next step.
func (s *IDIterator) Key() []byte { return s.it.Key() }

// First returns the iterator at the first id of all, nil if none is valid. back reports that they
// move towards older ids.
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

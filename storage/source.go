package storage

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/storage/internal/keys"
)

// source walks over keys that end in the id of an execution. Once it failed it
// stands nowhere.
type source struct {
	id  keys.ID // where it stands
	ok  bool    // it stands somewhere
	err error

	prefix []byte
	it     *pebble.Iterator
	back   bool // towards older ids
	done   bool // its executions are done
	whole  bool // its values are the executions' own records

	wanted func(*source) bool // tells whether to stop at an id; nil: at all
	other  *source            // what wanted looks at; closed with this one
}

// newSource finds the ids behind a prefix, from lower on, before upper. First or
// last is to be called next, and close in the end.
func newSource(r reader, prefix []byte, lower, upper keys.ID) *source {
	s := &source{prefix: prefix[:len(prefix):len(prefix)]}
	s.it, s.err = r.NewIter(&pebble.IterOptions{
		LowerBound: append(s.prefix, lower[:]...),
		UpperBound: append(s.prefix, upper[:]...),
	})
	return s
}

// first goes to the oldest id, and next to newer ones.
func (s *source) first() {
	s.back = false
	s.stand(s.err == nil && s.it.First())
}

// last goes to the newest id, and next to older ones.
func (s *source) last() {
	s.back = true
	s.stand(s.err == nil && s.it.Last())
}

func (s *source) next() { s.stand(s.step()) }

func (s *source) step() bool {
	if s.back {
		return s.it.Prev()
	}
	return s.it.Next()
}

// stand takes the id at the iterator, or the next one that is wanted.
func (s *source) stand(there bool) {
	for s.ok = false; there && s.err == nil; there = s.step() {
		if s.id, s.err = keys.DecodeID(s.prefix, s.it.Key()); s.err != nil {
			s.err = damaged("key %x: %v", s.it.Key(), s.err)
			return
		}
		if s.wanted == nil || s.wanted(s) {
			s.ok = s.err == nil
			return
		}
	}
	if s.err == nil {
		s.err = s.it.Error()
	}
}

// lacks tells whether another source stands at an id that s, which goes the same
// way, does not have. It follows the other.
func (s *source) lacks(other *source) bool {
	for s.ok && s.id != other.id && s.back == other.id.Before(s.id) {
		s.next()
	}
	if s.err != nil {
		other.err = s.err
	}
	return !s.ok || s.id != other.id
}

// value is that of the key, valid until the next step.
func (s *source) value() []byte {
	value, err := s.it.ValueAndErr()
	if err != nil && s.err == nil {
		s.err = err
	}
	return value
}

// lease reads the lease at which the source stands.
func (s *source) lease() leaseRecord {
	return decoded(s, decodeLease)
}

// decoded reads the value at which a source stands.
func decoded[T any](s *source, decode func([]byte) (T, error)) T {
	v, err := decode(s.value())
	if err != nil && s.err == nil {
		s.err = damaged("key %x: %v", s.it.Key(), err)
	}
	return v
}

// attemptAt reads the attempt of the execution at which a source stands from
// those of leases and of waiting ones, which follow it.
func attemptAt(s, leases, waiting *source) (a attempt) {
	if !leases.lacks(s) {
		lease := leases.lease()
		a.lease = &lease
	}
	if !waiting.lacks(s) {
		w := decoded(waiting, decodeWaiting)
		a.waiting = &w
	}
	return a
}

func (s *source) close() error {
	var errs []error
	if s.it != nil {
		errs = append(errs, s.it.Close())
	}
	if s.other != nil {
		errs = append(errs, s.other.close())
	}
	return errors.Join(errs...)
}

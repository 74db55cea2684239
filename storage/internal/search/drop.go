package search

import (
	"bytes"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
)

// nextTries is the number of keys that are passed one by one before the rest of a stream is skipped
// with a seek: many streams have one or two keys.
const nextTries = 4

// Drop adds to a batch the deletion of the postings of executions that started before the oldest
// was accepted. No execution starts before it was accepted, so these postings lead to nothing. It
// moves the iterator, which must have no bounds.
func Drop(b *pebble.Batch, it *pebble.Iterator, tenant runtime.Tenant, oldestID keys.ID) error {
	all := keys.OfKind(tenant, keys.KindPostings)
	end := keys.PrefixEnd(all)
	done := keys.Position{Start: keys.StartOf(oldestID.Time())}
	unfinished, err := unfinishedFrom(it, tenant)
	if err != nil {
		return err
	}
	var from, to []byte // the range to drop next
	flush := func() error {
		if from == nil {
			return nil
		}
		err := b.DeleteRange(from, to, nil)
		from = nil
		return err
	}
	inside := func(there bool) bool { return there && bytes.Compare(it.Key(), end) < 0 }
	for ok := inside(it.SeekGE(all)); ok; {
		stream, first, err := keys.ParsePostings(tenant, it.Key())
		if err != nil {
			return kv.Damaged("key %x: %v", it.Key(), err)
		}
		prefix := bytes.Clone(it.Key()[:len(it.Key())-keys.PositionSize])
		var next []byte
		oldest := done
		if stream.Resource.Kind == keys.ResourceTenant && unfinished.Before(done) {
			oldest = unfinished // traces also lead to executions that are not done
		}
		if first.Before(oldest) {
			if from == nil {
				from = bytes.Clone(it.Key())
			}
			// The dropped keys of neighbouring streams are one range.
			to = oldest.AppendTo(prefix[:len(prefix):len(prefix)])
			next = to
		} else {
			if err := flush(); err != nil {
				return err
			}
			next = keys.PrefixEnd(prefix)
		}
		ok = inside(forward(it, next))
	}
	return errors.Join(flush(), it.Error())
}

// unfinishedFrom returns the time at which the oldest unfinished execution of a tenant was
// accepted.
func unfinishedFrom(it *pebble.Iterator, tenant runtime.Tenant) (keys.Position, error) {
	prefix := keys.OfKind(tenant, keys.KindAccepted)
	if !it.SeekGE(prefix) || !bytes.HasPrefix(it.Key(), prefix) {
		return beginning, it.Error()
	}
	id, err := keys.DecodeID(prefix, it.Key())
	if err != nil {
		err = kv.Damaged("key %x: %v", it.Key(), err)
	}
	return keys.Position{Start: keys.StartOf(id.Time())}, err
}

// forward moves to the first key that is not before another.
func forward(it *pebble.Iterator, to []byte) bool {
	for range nextTries {
		if !it.Next() {
			return false
		}
		if bytes.Compare(it.Key(), to) >= 0 {
			return true
		}
	}
	return it.SeekGE(to)
}

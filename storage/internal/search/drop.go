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

// Drop adds to a batch the deletion of the postings of a resource that started before its oldest
// execution was accepted. No execution starts before it was accepted, so these postings lead to
// nothing. It moves the iterator, which must have no bounds.
func Drop(b *pebble.Batch, it *pebble.Iterator, tenant runtime.Tenant, r keys.Resource, oldestID keys.ID) error {
	all := keys.PostingsOfResource(tenant, r)
	end := keys.PrefixEnd(all)
	oldest := keys.Position{Start: keys.StartOf(oldestID.Time())}
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
		_, first, err := keys.ParsePostings(tenant, it.Key())
		if err != nil {
			return kv.Damaged("key %x: %v", it.Key(), err)
		}
		prefix := bytes.Clone(it.Key()[:len(it.Key())-keys.PositionSize])
		var next []byte
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

// DropTrace adds to a batch the deletion of the posting by which an execution is found by its trace,
// if it shares the posting's key with no other. A key of several executions is dropped by Drop.
func DropTrace(b *pebble.Batch, r kv.Reader, x *runtime.Execution, id keys.ID) error {
	s := keys.Stream{Tenant: x.Tenant, Resource: keys.Resource{Kind: keys.ResourceTenant}, Field: runtime.FieldTrace, Value: x.Caller.TraceID}
	key := acceptedAt(id).AppendTo(s.Prefix())
	all, err := kv.Find(r, key, func(value []byte) (postingsBlock, error) {
		return decodePostings(acceptedAt(id), value, false)
	})
	if err != nil || all == nil || all.len() > 1 {
		return err
	}
	return b.Delete(key, nil)
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

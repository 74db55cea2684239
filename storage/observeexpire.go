package storage

import (
	"bytes"
	"errors"
	"time"

	"github.com/faaspot/faaspot/runtime"

	"github.com/faaspot/faaspot/storage/internal/keys"

	"github.com/faaspot/faaspot/storage/internal/kv"
)

// observed is what is known of postings beside what is kept.
type observed struct {
	maxSteps int // see there

	dropped time.Time // from when on there are postings; zero: not known. Who drops holds the horizon
}

// droppedParts is into how many parts the time for which executions are kept is
// divided for their postings: those of less than a part are not worth a walk over
// all streams. Until then they lead to nothing, and are passed over.
const droppedParts = 64

// due tells whether postings are to be dropped, too. The caller drops them then.
func (o *observed) due(oldest keys.ID, now time.Time) bool {
	at := oldest.Time()
	if at.After(now) {
		at = now
	}
	if !o.dropped.IsZero() && at.Sub(o.dropped) < now.Sub(at)/droppedParts {
		return false
	}
	o.dropped = at
	return true
}

// nextTries is how many keys are passed one by one before the others of a stream
// are jumped over: many streams have a key or two.
const nextTries = 4

// observed drops the postings of executions that started before the oldest was
// accepted. Nothing starts before it was accepted, so those lead to nothing.
func (d *dropper) observed(tenant runtime.Tenant) error {
	all := keys.OfKind(tenant, keys.KindPostings)
	end := keys.PrefixEnd(all)
	done := keys.Position{Start: keys.StartOf(d.oldest.Time())}
	undone, err := d.undone(tenant)
	if err != nil {
		return err
	}
	var from, to []byte // what is dropped next
	flush := func() error {
		if from == nil {
			return nil
		}
		err := d.batch.DeleteRange(from, to, nil)
		from = nil
		return err
	}
	inside := func(there bool) bool { return there && bytes.Compare(d.it.Key(), end) < 0 }
	for ok := inside(d.it.SeekGE(all)); ok; {
		prefix, _, _, first, err := keys.ParsePostings(tenant, d.it.Key())
		if err != nil {
			return kv.Damaged("key %x: %v", d.it.Key(), err)
		}
		prefix = bytes.Clone(prefix)
		var next []byte
		oldest := done
		if prefix[len(all)] == keys.ResourceTenant && undone.Before(done) {
			oldest = undone // traces lead to what is not done, too
		}
		if first.Before(oldest) {
			if from == nil {
				from = bytes.Clone(d.it.Key())
			}
			// What is dropped of one stream after the other is one range.
			to = oldest.AppendTo(prefix[:len(prefix):len(prefix)])
			next = to
		} else {
			if err := flush(); err != nil {
				return err
			}
			next = keys.PrefixEnd(prefix)
		}
		ok = inside(d.forward(next))
	}
	return errors.Join(flush(), d.it.Error())
}

// undone is when the oldest execution of a tenant was accepted that is not done.
func (d *dropper) undone(tenant runtime.Tenant) (keys.Position, error) {
	prefix := keys.OfKind(tenant, keys.KindAccepted)
	if !d.it.SeekGE(prefix) || !bytes.HasPrefix(d.it.Key(), prefix) {
		return ahead, d.it.Error()
	}
	id, err := keys.DecodeID(prefix, d.it.Key())
	if err != nil {
		err = kv.Damaged("key %x: %v", d.it.Key(), err)
	}
	return keys.Position{Start: keys.StartOf(id.Time())}, err
}

// forward goes to the first key from one on.
func (d *dropper) forward(to []byte) bool {
	for range nextTries {
		if !d.it.Next() {
			return false
		}
		if bytes.Compare(d.it.Key(), to) >= 0 {
			return true
		}
	}
	return d.it.SeekGE(to)
}
